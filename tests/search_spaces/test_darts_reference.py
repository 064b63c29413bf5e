"""The planned network against one built literally from the genotype.

The reference builds every cell, every operation and every adapter, concatenates all nodes, and
shares no code with the package.
"""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import search_spaces

CHANNELS, CLASSES, MULTIPLIER = 4, 3, 2


def convolution(inputs, outputs, kernel, stride=1, dilation=1, groups=1):
    padding = dilation * (kernel // 2)
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)


class ReLUConvBN(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv, self.norm = convolution(inputs, outputs, 1), nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.norm(self.conv(F.relu(x)))


class FactorizedReduce(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.convs = nn.ModuleList(convolution(inputs, outputs // 2, 1, 2) for _ in range(2))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = F.relu(x)
        return self.norm(torch.cat([self.convs[0](x), self.convs[1](x[:, :, 1:, 1:])], 1))


class DilConv(nn.Module):
    def __init__(self, channels, kernel, stride, dilation=2):
        super().__init__()
        self.depthwise = convolution(channels, channels, kernel, stride, dilation, channels)
        self.pointwise = convolution(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return self.norm(self.pointwise(self.depthwise(F.relu(x))))


class SepConv(nn.Module):
    def __init__(self, channels, kernel, stride):
        super().__init__()
        self.first = DilConv(channels, kernel, stride, 1)
        self.second = DilConv(channels, kernel, 1, 1)

    def forward(self, x):
        return self.second(self.first(x))


class Zero(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, :: self.stride, :: self.stride] * 0


def make_operation(word, channels, stride):
    if "_conv_" in word:
        kind = {"sep": SepConv, "dil": DilConv}[word[:3]]
        return kind(channels, int(word[-1]), stride)
    return {
        "none": lambda: Zero(stride),
        "max_pool_3x3": lambda: nn.MaxPool2d(3, stride, 1),
        "avg_pool_3x3": lambda: nn.AvgPool2d(3, stride, 1, count_include_pad=False),
        "skip_connect": lambda: (
            nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
        ),
    }[word]()


class ReferenceCell(nn.Module):
    def __init__(self, branches, widths, reduces, reduces_before):
        super().__init__()
        before, last, width = widths
        self.branches = branches
        self.adapters = nn.ModuleDict(
            {
                "0": (FactorizedReduce if reduces_before else ReLUConvBN)(before, width),
                "1": ReLUConvBN(last, width),
            }
        )
        self.operations = nn.ModuleDict()
        for k, (word, source) in enumerate(branches):
            stride = 2 if reduces and source < 2 else 1
            name = f"node{k // 2 + 1}_op{k % 2 + 1}"
            self.operations[name] = make_operation(word, width, stride)

    def forward(self, before, last):
        nodes = [self.adapters["0"](before), self.adapters["1"](last)]
        operations = list(self.operations.values())
        for k in range(0, len(operations), 2):
            terms = [operations[k + i](nodes[self.branches[k + i][1]]) for i in (0, 1)]
            nodes.append(terms[0] + terms[1])
        return torch.cat(nodes[2:], 1)


class Reference(nn.Module):
    def __init__(self, value, layers):
        super().__init__()
        normal, reduction = value
        nodes = len(normal) // 2
        stem = MULTIPLIER * CHANNELS
        self.stem = nn.ModuleList(
            [nn.ModuleDict({"conv": convolution(3, stem, 3), "norm": nn.BatchNorm2d(stem)})]
        )
        before, last, width, reduces_before = stem, stem, CHANNELS, False
        self.cells = nn.ModuleDict()
        for number in range(layers):
            reduces = number in (layers // 3, 2 * layers // 3)
            width *= 2 if reduces else 1
            branches = reduction if reduces else normal
            cell = ReferenceCell(branches, (before, last, width), reduces, reduces_before)
            self.cells[str(number)] = cell
            before, last, reduces_before = last, nodes * width, reduces
        self.classifier = nn.Linear(last, CLASSES)

    def forward(self, x):
        before = last = self.stem[0]["norm"](self.stem[0]["conv"](x))
        for cell in self.cells.values():
            before, last = last, cell(before, last)
        return self.classifier(last.mean((2, 3)))


def columns(network, number):
    """Which channels of the reference's output of a cell the network has too."""
    if number < 0:
        return slice(None)
    cell = network.cells[str(number)]
    return [k for k, is_there in enumerate(cell.alive) if is_there]


def mark_alive(network, reference, images):
    """Notes which channels of every output are anything but zero in the reference."""

    def note(cell, _, output):
        cell.alive = (output.detach() != 0).any(dim=(0, 2, 3)).tolist()

    for cell in reference.cells.values():
        cell.register_forward_hook(note)
    reference(images)
    for name, cell in network.cells.items():
        cell.alive = reference.cells[name].alive


def copy_weights(network, reference):
    """Gives the network the reference's weights, without the columns of zeros."""
    theirs = reference.state_dict()
    ours = {}
    for key in network.state_dict():
        tensor = theirs[key]
        parts = key.split(".")
        if parts[2:3] == ["adapters"] and parts[-1] == "weight" and tensor.dim() == 4:
            tensor = tensor[:, columns(network, int(parts[1]) - 2 + int(parts[3]))]
        if key == "classifier.weight":
            tensor = tensor[:, columns(network, network.plan[-1].number)]
        ours[key] = tensor
    network.load_state_dict(ours)


@pytest.mark.parametrize("layers", [3, 5])
@pytest.mark.parametrize("operations", ["all", "mostly none"])
def test_logits_are_those_of_the_literal_network(layers, operations):
    space = search_spaces.create(
        "darts", channels=CHANNELS, layers=layers, nodes=3, stem_multiplier=MULTIPLIER
    )
    rng = random.Random(layers)
    torch.manual_seed(layers)
    compared = 0
    for _ in range(6):
        words = {d.name: rng.choice(d.options) for d in space.decisions}
        if operations == "mostly none":
            words |= {n: "none" for n in words if ".op" in n and rng.random() < 0.5}
        genotype = space.genotype(words)
        network = space.build(genotype, num_classes=CLASSES)
        reference = Reference(genotype.value, layers)
        images = torch.randn(4, 3, 16, 16)
        if not hasattr(network, "plan"):
            torch.testing.assert_close(reference(images).std(0), torch.zeros(CLASSES))
            continue
        mark_alive(network, reference, images)
        copy_weights(network, reference)
        torch.testing.assert_close(network(images), reference(images), rtol=1e-3, atol=1e-4)
        network.eval(), reference.eval()
        reference.load_state_dict(
            {k: v for k, v in network.state_dict().items() if "running" in k}, strict=False
        )
        torch.testing.assert_close(network(images), reference(images), rtol=1e-3, atol=1e-4)
        compared += 1
    assert compared > 1
