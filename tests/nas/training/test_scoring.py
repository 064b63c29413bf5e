from __future__ import annotations

import torch

from nas.training.scoring import predict


def test_predictions_come_in_batches_and_in_order_without_gradients():
    layer = torch.nn.Conv2d(1, 1, 1)
    inputs = torch.arange(5.0).view(5, 1, 1, 1)
    parts = list(predict(layer, inputs, batch_size=2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert not any(part.requires_grad for part in parts)
    torch.testing.assert_close(torch.cat(parts), layer(inputs).detach())
