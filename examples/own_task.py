"""A task of your own that worker processes find too: a function that returns it.

    nas search --task examples/own_task.py:stripes --set task_options.size=24 --space nasbench201

Its arguments are the options of the task; an argument `data` takes the folder of ``--data``.
"""

import torch
from torch.utils.data import TensorDataset

import nas.tasks
from nas.tasks import Task


@nas.tasks.register("stripes")
def stripes(size: int = 16, count: int = 120) -> Task:
    """Images with horizontal or vertical stripes."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    wave = 100 * (torch.arange(size) // 2 % 2)
    pattern = torch.stack([wave.view(-1, 1).expand(size, size), wave.expand(size, size)])[labels]
    noise = torch.randint(0, 120, (count, 3, size, size), generator=generator)
    images = (pattern[:, None] + noise).to(torch.uint8)
    return nas.tasks.from_datasets("stripes", ["lying", "upright"], TensorDataset(images, labels))
