"""Which network takes which modalities of a face."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from torch import nn

from nas.errors import UserError
from nas.models.classifiers import NONE, ClassifierSettings, create_classifier, with_resolved_stem
from nas.models.face_networks import FusedNetwork, SelectedNetwork
from nas.models.inputs import SelectInputs
from nas.models.searched_classifier import SearchedClassifierSettings

_SE, _SE_FUSION = "se_resnet18", "se_resnet18_fusion"
_PRESETS = (_SE, _SE_FUSION)
_PRESET_BACKBONE, _PRESET_KERNEL = "resnet18", 3
_FUSED_ONLY = ("fuse_at", "reduction", "max_pool")


class FaceNetworkSettings(ClassifierSettings):
    """Which network, with which weights, and for which inputs.

    ``se_resnet18_fusion`` is a ResNet-18 whose modalities have stems and two stages of their own,
    squeeze-and-excitation after them, and two shared stages; ``se_resnet18`` has one such branch
    for all its inputs together. Their first convolution is 3x3.

    Attributes:
        name: One of those, or any network of `ClassifierSettings`.
        inputs: The inputs that it takes, in order; all of the task unless given.
        fusion: ``branches`` gives every input a branch of its own, for any network of timm that is
            a chain of stages; ``none`` gives the channels of all to one network.
        fuse_at: Stride after which branches are joined; 8 unless given.
        reduction: Channels of a branch over those within its squeeze-and-excitation; 16 unless
            given.
        max_pool: Whether the max-pool of the stem stays.
        channels: Channels of each input of the task that it was trained on, in order, as its file
            tells.
    """

    name: str = _SE_FUSION
    inputs: tuple[str, ...] = ()
    fusion: Literal["none", "branches"] = "none"
    fuse_at: int | None = Field(None, ge=2)
    reduction: int | None = Field(None, ge=1)
    max_pool: bool = True
    channels: dict[str, int] = {}

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        if self.name in _PRESETS and self.fusion != "none":
            raise ValueError(f"{self.name} is what it is; leave fusion out")
        if self.is_fused:
            for key in ("weights", "stem"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(
                        f"{key}: a network with branches starts from random weights and has its "
                        f"own stem; leave {key} out"
                    )
            return self
        for key in _FUSED_ONLY:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(
                    f"{key} belongs to networks with branches; set fusion branches, or choose "
                    f"{' or '.join(_PRESETS)}"
                )
        return self

    @property
    def is_fused(self) -> bool:
        """Whether it is a `FusedNetwork`."""
        return self.fusion == "branches" or self.name in _PRESETS

    def with_channels(self, channels: dict[str, int]) -> Self:
        """The settings for a task with these inputs."""
        return self.model_copy(update={"channels": dict(channels)})

    def create(self, num_classes: int, input_size: tuple[int, int]) -> nn.Module:
        """The network with the weights that its training starts from.

        Raises:
            UserError: If there is no such network or input, or it cannot take such images.
        """
        names = self.inputs or tuple(self.channels)
        select = SelectInputs(self.channels, names)
        if self.is_fused:
            return self._fused(names, num_classes)
        network = create_classifier(self, num_classes, input_size, select.channels)
        return selected(select, network, self.channels)

    def build(self, num_classes: int, input_size: tuple[int, int], channels: int) -> nn.Module:
        return self.model_copy(update={"weights": NONE}).create(num_classes, input_size)

    def as_built(self, network: nn.Module) -> FaceNetworkSettings:
        if self.is_fused:
            return self
        inner = network.network if isinstance(network, SelectedNetwork) else network
        resolved = with_resolved_stem(self, inner)
        assert isinstance(resolved, FaceNetworkSettings)
        return resolved

    def _fused(self, names: tuple[str, ...], num_classes: int) -> nn.Module:
        preset = self.name in _PRESETS
        apart = self.name == _SE_FUSION or self.fusion == "branches"
        groups = {name: (name,) for name in names} if apart else {"all": names}
        try:
            return FusedNetwork(
                _PRESET_BACKBONE if preset else self.name,
                groups,
                self.channels,
                num_classes,
                fuse_at=self.fuse_at or 8,
                reduction=self.reduction or 16,
                max_pool=self.max_pool,
                stem_kernel=_PRESET_KERNEL if preset else None,
                options=self.options,
            )
        except KeyError as error:
            # A module cannot be called everything that an input can.
            raise UserError(f"inputs: {error.args[0]}; rename the modality.") from error


class SearchedFaceNetworkSettings(SearchedClassifierSettings):
    """Which candidate of which search space, for which inputs.

    Attributes:
        inputs: The inputs that it takes, in order; all unless given.
        channels: Channels of each input of the task that it was trained on, in order.
    """

    inputs: tuple[str, ...] = ()
    channels: dict[str, int] = {}

    def with_channels(self, channels: dict[str, int]) -> Self:
        """The settings for a task with these inputs."""
        return self.model_copy(update={"channels": dict(channels)})

    def build(self, num_classes: int, input_size: tuple[int, int], channels: int) -> nn.Module:
        select = SelectInputs(self.channels, self.inputs or tuple(self.channels))
        network = super().build(num_classes, input_size, select.channels)
        return selected(select, network, self.channels)


def selected(select: SelectInputs, network: nn.Module, channels: dict[str, int]) -> nn.Module:
    """A network behind the selection of its inputs; as it is where it takes all in their order."""
    return network if select.names == tuple(channels) else SelectedNetwork(select, network)
