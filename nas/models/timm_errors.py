"""What timm says when it cannot make a network, as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nas.errors import UserError


@contextmanager
def refused_by_timm(network: str, pretrained: bool) -> Iterator[None]:
    """Turns what goes wrong inside ``timm.create_model`` into a sentence.

    Args:
        network: Which network cannot be made, for the message.
        pretrained: Whether its weights are fetched from timm's hub.

    Raises:
        UserError: With timm's reason.
    """
    try:
        yield
    except (
        RuntimeError,
        TypeError,
        AttributeError,
        AssertionError,
        ValueError,
        LookupError,
        OSError,
    ) as error:
        hint = " (are the weights reachable from here?)" if pretrained else ""
        raise UserError(f"{network} cannot be made: {one_line(error)}{hint}.") from error


def one_line(error: Exception) -> str:
    """The message of an error without line breaks and final full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
