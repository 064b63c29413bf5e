"""Networks for faces with several modalities: which they take, and where they are joined."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas import vision_libraries
from nas.errors import UserError
from nas.models.inputs import SelectInputs
from nas.models.timm_errors import one_line, refused_by_timm

_POOL = "maxpool"


class SelectedNetwork(nn.Module):
    """A network for some of the named inputs, which is given all of them.

    Args:
        select: Takes the inputs.
        network: Takes what they give.
    """

    def __init__(self, select: SelectInputs, network: nn.Module) -> None:
        super().__init__()
        self.select = select
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x classes of images N x all channels x H x W."""
        logits: Tensor = self.network(self.select(images))
        return logits


class FusedNetwork(nn.Module):
    """One branch for each modality up to a stride, and shared stages after it.

    A branch ends with squeeze-and-excitation (Hu et al. 2018, https://arxiv.org/abs/1709.01507), so
    that a modality can be weighed by its content; branches share no parameter. Their maps are
    concatenated, and the first convolutions of the shared stages take them all.

    Args:
        backbone: A network of timm that is a chain of stages.
        groups: The inputs of each branch, by its name.
        inputs: Channels of each input, in the order in which they lie in the tensor.
        num_classes: Number of classes.
        fuse_at: Stride after which the branches are joined.
        reduction: Channels of a branch over those between its squeeze and its excitation.
        max_pool: Whether the backbone's first max-pool stays; without it all maps are larger.
        stem_kernel: Side of the kernel of the first convolution; timm's unless given.
        options: Further arguments of ``timm.create_model``.

    Raises:
        UserError: If the backbone is no such chain, has no such stride or max-pool, or cannot take
            the concatenated maps.
    """

    def __init__(
        self,
        backbone: str,
        groups: Mapping[str, Sequence[str]],
        inputs: Mapping[str, int],
        num_classes: int,
        *,
        fuse_at: int = 8,
        reduction: int = 16,
        max_pool: bool = True,
        stem_kernel: int | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__()
        self._name = backbone
        self._inputs = dict(inputs)
        self._groups = {name: tuple(names) for name, names in groups.items()}
        selections = {name: SelectInputs(inputs, names) for name, names in groups.items()}
        self.select = nn.ModuleDict(selections)
        branches = {}
        for name, select in selections.items():
            # Of every chain but the last, the later stages are dropped again.
            chain = _Chain(backbone, select.channels, dict(options or {}))
            chain.change_stem(max_pool, stem_kernel)
            early, later, channels = chain.split(fuse_at)
            branches[name] = nn.Sequential(early, SqueezeExcitation(channels, reduction))
        self.branches = nn.ModuleDict(branches)
        self.stages = later
        if len(branches) > 1:
            _widen(self.stages, channels, len(branches), backbone)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(chain.channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x classes of images N x all channels x H x W."""
        maps = [branch(self.select[name](images)) for name, branch in self.branches.items()]
        features = self.stages(maps[0] if len(maps) == 1 else torch.cat(maps, dim=1))
        logits: Tensor = self.fc(self.pool(features).flatten(1))
        return logits

    def on_its_own(self) -> tuple[FusedNetwork, tuple[int, ...] | None]:
        """See the function `on_its_own`."""
        taken = {name for names in self._groups.values() for name in names}
        inputs = {name: count for name, count in self._inputs.items() if name in taken}
        if len(inputs) == len(self._inputs):
            return self, None
        own = copy.deepcopy(self)
        own._inputs = inputs
        for name, names in self._groups.items():
            own.select[name] = SelectInputs(inputs, names)
        return own, SelectInputs(self._inputs, tuple(inputs)).indices


def on_its_own(network: nn.Module) -> tuple[nn.Module, tuple[int, ...] | None]:
    """A network as a device runs it that has the inputs of the network alone.

    Args:
        network: Given all inputs of its task; it shares its weights with the result or is copied.

    Returns:
        The network, and which of all channels it takes, in order; None where it takes them all.
    """
    if isinstance(network, SelectedNetwork):
        return network.network, network.select.indices
    return network.on_its_own() if isinstance(network, FusedNetwork) else (network, None)


class SqueezeExcitation(nn.Module):
    """Weighs the channels of a map by what is in it (Hu et al. 2018).

    Args:
        channels: Channels of the map.
        reduction: These over the channels in between, of which there is at least one.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        between = max(channels // reduction, 1)
        self.squeeze = nn.Linear(channels, between)
        self.excite = nn.Linear(between, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """The map N x channels x height x width with its channels weighed."""
        weights = self.excite(self.squeeze(maps.mean(dim=(2, 3))).relu()).sigmoid()
        return maps * weights[:, :, None, None]


class _Chain:
    """A backbone of timm as a list of stages."""

    def __init__(self, name: str, in_channels: int, options: dict[str, Any]) -> None:
        self._name = f"network {name!r}"
        with refused_by_timm(self._name, False):
            made = vision_libraries.timm.create_model(
                name, features_only=True, in_chans=in_channels, **options
            )
        if type(made) is not vision_libraries.timm.models._features.FeatureListNet:
            raise UserError(
                f"{self._name} is no chain of stages, so modalities cannot be joined within it; "
                "choose for example resnet18 or regnetx_002, or fusion none."
            )
        self._stages = dict(made.named_children())
        self._outputs = made.feature_info.info
        self.channels: int = self._outputs[-1]["num_chs"]

    def change_stem(self, max_pool: bool, kernel: int | None) -> None:
        if not max_pool:
            if _POOL not in self._stages:
                raise UserError(f"{self._name} has no max-pool; leave max_pool out.")
            self._stages[_POOL] = nn.Identity()
        if kernel is not None:
            first = next(iter(self._stages))
            old = self._stages[first]
            assert isinstance(old, nn.Conv2d)  # presets alone choose a kernel
            new = nn.Conv2d(
                old.in_channels, old.out_channels, kernel, old.stride[0], kernel // 2, bias=False
            )
            nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
            self._stages[first] = new

    def split(self, stride: int) -> tuple[nn.Sequential, nn.Sequential, int]:
        """The stages up to the map at a stride, those after it, and the channels of the map."""
        known = {output["reduction"]: output for output in self._outputs[:-1]}
        if stride not in known:
            raise UserError(
                f"{self._name} has no map at stride {stride} to join modalities at; fuse_at can be "
                f"{' or '.join(map(str, known))}."
            )
        end = list(self._stages).index(known[stride]["module"].replace(".", "_")) + 1
        stages = list(self._stages.values())
        return nn.Sequential(*stages[:end]), nn.Sequential(*stages[end:]), known[stride]["num_chs"]


def _widen(stages: nn.Sequential, channels: int, times: int, name: str) -> None:
    """Makes the convolutions that take the first map take so many times its channels."""
    entrances: dict[str, nn.Module] = {}
    example = torch.zeros(1, channels, 32, 32)
    handles = []

    def note(path: str, module: nn.Module, given: Tensor) -> None:
        if given is example and not list(module.children()):
            entrances[path] = module

    for path, module in stages.named_modules():
        hook = module.register_forward_pre_hook(
            lambda module, given, path=path: note(path, module, given[0])
        )
        handles.append(hook)
    was_training = stages.training
    with torch.no_grad():
        stages.eval()(example)
    stages.train(was_training)
    for handle in handles:
        handle.remove()
    for path, module in entrances.items():
        if not isinstance(module, nn.Conv2d) or module.groups != 1:
            raise _refused(name, f"{type(module).__name__} {path!r} takes a single map there")
        wide = nn.Conv2d(
            channels * times,
            module.out_channels,
            module.kernel_size,  # type: ignore[arg-type]
            module.stride,  # type: ignore[arg-type]
            module.padding,  # type: ignore[arg-type]
            module.dilation,  # type: ignore[arg-type]
            bias=module.bias is not None,
        )
        nn.init.kaiming_normal_(wide.weight, mode="fan_out", nonlinearity="relu")
        stages.set_submodule(path, wide)
    try:
        with torch.no_grad():
            stages.eval()(torch.zeros(1, channels * times, 32, 32))
    except RuntimeError as error:
        raise _refused(name, one_line(error)) from error
    finally:
        stages.train(was_training)


def _refused(name: str, reason: str) -> UserError:
    return UserError(
        f"network {name!r} cannot take the joined maps of several modalities ({reason}); choose "
        "another fuse_at or network."
    )
