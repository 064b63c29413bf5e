"""What a network does to an image before its first stage, and a smaller form of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

_SMALL_KERNEL = 3


@dataclass(frozen=True)
class Stem:
    """The first convolution of a timm network and the max-pool after it.

    Attributes:
        network: The whole network.
        convolution: Module path of the first convolution.
        pool: Module path of the max-pool, if the network has one.
    """

    network: nn.Module
    convolution: str
    pool: str | None

    @property
    def kernel(self) -> int:
        """Side of the first convolution's kernel, as it is."""
        return self._convolution().kernel_size[0]

    @property
    def small_kernel(self) -> int:
        """Its side after `make_small`."""
        return min(self.kernel, _SMALL_KERNEL)

    @property
    def is_small(self) -> bool:
        """Whether the stem leaves small images at their size."""
        pooled = self.pool and not isinstance(self.network.get_submodule(self.pool), nn.Identity)
        return not pooled and self._convolution().stride == (1, 1) and self.kernel <= _SMALL_KERNEL

    def make_small(self) -> None:
        """Gives the first convolution stride 1 and at most a 3x3 kernel, and drops the pool.

        A kernel that is small enough keeps its weights, a larger one is replaced by a random one.
        """
        old = self._convolution()
        if old.kernel_size[0] > _SMALL_KERNEL:
            new = nn.Conv2d(
                old.in_channels,
                old.out_channels,
                _SMALL_KERNEL,
                padding=1,
                bias=old.bias is not None,
            )
            nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
            self.network.set_submodule(self.convolution, new)
        else:
            old.stride = (1, 1)
        if self.pool:
            self.network.set_submodule(self.pool, nn.Identity())

    def _convolution(self) -> nn.Conv2d:
        module = self.network.get_submodule(self.convolution)
        assert isinstance(module, nn.Conv2d)
        return module


def find_stem(network: nn.Module) -> Stem | None:
    """The stem of a timm network, or None if its form is not known.

    Known are those of ResNet-like networks (``conv1``, which may be several convolutions, and
    ``maxpool``) and of MobileNet-, GhostNet- and EfficientNet-like ones (``conv_stem``).
    """
    pool = getattr(network, "maxpool", None)
    if isinstance(pool, nn.Module) and not any(True for _ in pool.parameters()):
        return _first_convolution(network, ("conv1", "conv1.0"), "maxpool")
    return _first_convolution(network, ("conv_stem",), None)


def _first_convolution(network: nn.Module, paths: tuple[str, ...], pool: str | None) -> Stem | None:
    modules = dict(network.named_modules())
    for path in paths:
        if isinstance(modules.get(path), nn.Conv2d):
            return Stem(network, path, pool)
    return None
