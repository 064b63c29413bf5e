"""The planned decoder against one built literally from the genotype.

The reference builds every operation and every adapter, leaves nothing out, and shares no code with
the package.
"""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import search_spaces

CHANNELS, STRIDES, CLASSES = (3, 4, 5, 6), (4, 8, 16, 32), 3


class Projection(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class Convolution(nn.Module):
    def __init__(self, width, kernel, dilation):
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(width, width, kernel, 1, padding, dilation, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class Separable(nn.Module):
    def __init__(self, width, kernel, dilation):
        super().__init__()
        padding = dilation * (kernel // 2)
        self.depthwise = nn.Conv2d(
            width, width, kernel, 1, padding, dilation, groups=width, bias=False
        )
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return F.relu(self.norm(self.pointwise(self.depthwise(x))))


class Pool(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.project = Projection(width, width)

    def forward(self, x):
        pooled = self.project(F.adaptive_avg_pool2d(x, 1))
        return F.interpolate(pooled, size=x.shape[2:], mode="bilinear", align_corners=False)


class Zero(nn.Module):
    def forward(self, x):
        return x * 0


def make_operation(number, width, repeats):
    if number == 0:
        return Projection(width, width)
    if number in (1, 5, 6):
        return Convolution(width, 3, {1: 1, 5: 3, 6: 12}[number])
    if number in (2, 3, 7, 8):
        kernel, dilation = {2: (3, 1), 3: (5, 1), 7: (3, 3), 8: (5, 6)}[number]
        return nn.Sequential(*(Separable(width, kernel, dilation) for _ in range(repeats)))
    return {4: lambda: Pool(width), 9: nn.Identity, 10: Zero}[number]()


class Cell(nn.Module):
    def __init__(self, cell, width, repeats):
        super().__init__()
        self.design = cell
        self.operations = nn.ModuleDict({"op0": make_operation(cell[0], width, repeats)})
        for n, (_, _, o1, o2) in enumerate(cell[1:], 1):
            self.operations[f"node{n}_op1"] = make_operation(o1, width, repeats)
            self.operations[f"node{n}_op2"] = make_operation(o2, width, repeats)

    def forward(self, x):
        pool, loose = [x, self.operations["op0"](x)], [1]
        for n, (p1, p2, _, _) in enumerate(self.design[1:], 1):
            left = self.operations[f"node{n}_op1"](pool[p1])
            right = self.operations[f"node{n}_op2"](pool[p2])
            pool += [left, right, left + right]
            loose = [p for p in loose if p not in (p1, p2)] + [len(pool) - 1]
        return sum(pool[p] for p in loose)


class Block(nn.Module):
    def __init__(self, cell, width, repeats):
        super().__init__()
        self.cells = nn.ModuleList(Cell(cell, width, repeats) for _ in range(2))
        self.projections = nn.ModuleList(Projection(width, width) for _ in range(2))

    def forward(self, x, y):
        x, y = (p(c(z)) for p, c, z in zip(self.projections, self.cells, (x, y), strict=True))
        size = max(tuple(x.shape[2:]), tuple(y.shape[2:]))
        return resize(x, size) + resize(y, size)


class Classifier(nn.Module):
    def __init__(self, width, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(width, num_classes, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


class NaiveDecoder(nn.Module):
    def __init__(self, genotype, channels, num_classes, width, repeats, auxiliary):
        super().__init__()
        cell, self.pairs = genotype
        self.adapters = nn.ModuleDict(
            {str(k): Projection(c, width) for k, c in enumerate(channels)}
        )
        self.blocks = nn.ModuleList(Block(cell, width, repeats) for _ in self.pairs)
        picked = {p for pair in self.pairs for p in pair}
        every = range(len(channels), len(channels) + len(self.pairs))
        self.collected = [p for p in every if p not in picked]
        self.merge = Projection(width * len(self.collected), width)
        self.classifier = Classifier(width, num_classes)
        self.auxiliary_heads = nn.ModuleList()
        for _ in self.pairs if auxiliary != "none" else ():
            parts = [Cell(cell, width, repeats)] if auxiliary == "cell" else []
            self.auxiliary_heads.append(nn.Sequential(*parts, Classifier(width, num_classes)))

    def forward(self, features):
        pool = [self.adapters[str(k)](x) for k, x in enumerate(features)]
        count = len(pool)
        for block, (i, j) in zip(self.blocks, self.pairs, strict=True):
            pool.append(block(pool[i], pool[j]))
        outputs = [pool[p] for p in self.collected]
        size = max(tuple(x.shape[2:]) for x in outputs)
        merged = self.merge(F.relu(torch.cat([resize(x, size) for x in outputs], 1)))
        heads = [head(x) for head, x in zip(self.auxiliary_heads, pool[count:], strict=False)]
        return self.classifier(merged), heads


def resize(x, size):
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def make_pair(space, genotype, seed=0):
    """The planned and the literal decoder, with the same random weights where both have them."""
    torch.manual_seed(seed)
    options = space.options
    planned = space.build(
        genotype, encoder_channels=CHANNELS, encoder_strides=STRIDES, num_classes=CLASSES
    ).double()
    for part in planned.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias)
    sizes = options["width"], options["repeats"], options["auxiliary"]
    naive = NaiveDecoder(genotype.value, CHANNELS, CLASSES, *sizes).double()
    weights = planned.state_dict()
    if planned.plan.cell.is_zero:
        weights = {name.replace(".bias", ".conv.bias"): w for name, w in weights.items()}
        for index, head in enumerate(naive.auxiliary_heads):
            name = f"auxiliary_heads.{index}.conv.bias"
            if name in weights:
                weights[f"auxiliary_heads.{index}.{len(head) - 1}.conv.bias"] = weights.pop(name)
    assert not naive.load_state_dict(weights, strict=False).unexpected_keys
    return planned, naive, weights


def make_features(images=2, size=64, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(images, c, size // s, size // s, dtype=torch.float64, generator=generator)
        for c, s in zip(CHANNELS, STRIDES, strict=True)
    ]


def loss_of(logits, heads):
    """Weighs every logit differently, so that no gradient cancels."""
    total = 0
    for output in (logits, *heads):
        weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
        total = total + (output * weights).sum()
    return total


def check_equal(planned, naive, weights, features):
    ours = [f.clone().requires_grad_() for f in features]
    theirs = [f.clone().requires_grad_() for f in features]
    logits, heads = planned.forward_with_auxiliary(ours)
    expected, expected_heads = naive(theirs)
    assert len(heads) == len(expected_heads)
    for output, reference in zip((logits, *heads), (expected, *expected_heads), strict=True):
        torch.testing.assert_close(output, reference, rtol=1e-8, atol=1e-9)
    loss_of(logits, heads).backward()
    loss_of(expected, expected_heads).backward()
    for feature, reference in zip(ours, theirs, strict=True):
        check_gradient(feature.grad, reference.grad)
    gradients = {renamed(n, planned, naive): p.grad for n, p in planned.named_parameters()}
    for name, parameter in naive.named_parameters():
        check_gradient(gradients.pop(name, None), parameter.grad)
    assert not gradients
    buffers = {name: b for name, b in naive.named_buffers() if name in weights}
    for name, buffer in planned.named_buffers():
        torch.testing.assert_close(buffer, buffers[name], rtol=1e-9, atol=1e-12)


def renamed(name, planned, naive):
    if not planned.plan.cell.is_zero:
        return name
    if name == "classifier.bias":
        return "classifier.conv.bias"
    index = int(name.split(".")[1])
    return f"auxiliary_heads.{index}.{len(naive.auxiliary_heads[index]) - 1}.conv.bias"


def check_gradient(gradient, reference):
    if gradient is None and reference is None:
        return
    zeros = torch.zeros_like(gradient if reference is None else reference)
    ours = zeros if gradient is None else gradient
    theirs = zeros if reference is None else reference
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-8)


def check_training_and_evaluation(space, genotype, features):
    planned, naive, weights = make_pair(space, genotype)
    check_equal(planned, naive, weights, features)
    for model in (planned, naive):
        model.zero_grad()
        model.eval()
    check_equal(planned, naive, weights, features)


@pytest.mark.parametrize("seed", range(30))
def test_random_genotype_equals_the_reference(seed):
    sizes = random.Random(seed)
    space = search_spaces.create(
        "fastnas",
        width=4,
        branches=sizes.choice((2, 3, 4)),
        cells=sizes.choice((1, 2, 3)),
        repeats=sizes.choice((1, 2)),
        auxiliary=sizes.choice(("cell", "classifier", "none")),
    )
    genotype = space.sample(sizes)
    check_training_and_evaluation(space, genotype, make_features())


@pytest.mark.parametrize(
    "genotype",
    [
        pytest.param("[[4,[1,1,0,0],[4,4,2,9]],[[3,2]]]", id="constant values"),
        pytest.param("[[4,[1,1,5,8],[4,1,4,4]],[[0,3]]]", id="constants under a kernel"),
        pytest.param("[[4,[1,1,9,9],[4,1,9,9]],[[1,1]]]", id="constant block"),
        pytest.param("[[10,[0,0,10,10],[4,4,1,4]],[[0,3]]]", id="all zero"),
        pytest.param("[[10,[1,0,1,9],[2,4,4,9]],[[0,3]]]", id="convolutions of zero"),
        pytest.param("[[1,[1,0,10,2],[0,0,9,9]],[[0,3]]]", id="a dead node"),
        pytest.param("[[9,[1,1,9,9],[4,4,9,9]],[[3,0]]]", id="skips alone"),
    ],
)
@pytest.mark.parametrize("auxiliary", ["cell", "none"])
def test_special_cell_equals_the_reference(genotype, auxiliary):
    space = search_spaces.create("fastnas", branches=3, cells=1, width=4, auxiliary=auxiliary)
    check_training_and_evaluation(space, space.parse(genotype), make_features())


def test_map_that_is_not_square_equals_the_reference():
    space = search_spaces.create("fastnas", branches=4, cells=2, width=4)
    genotype = space.parse("[[5,[0,1,6,8],[0,0,7,3],[4,7,4,1]],[[3,0],[1,2]]]")
    features = [feature[:, :, :, : feature.shape[3] // 2] for feature in make_features()]
    check_training_and_evaluation(space, genotype, features)


@pytest.mark.parametrize("auxiliary", ["cell", "classifier", "none"])
def test_reference_has_the_published_number_of_parameters(auxiliary):
    space = search_spaces.create("fastnas", width=4, repeats=2, auxiliary=auxiliary)
    rng = random.Random(7)
    for genotype in (space.sample(rng) for _ in range(5)):
        naive = NaiveDecoder(genotype.value, CHANNELS, CLASSES, 4, 2, auxiliary)
        counted = sum(parameter.numel() for parameter in naive.parameters())
        assert counted == space.published_parameters(
            genotype, encoder_channels=CHANNELS, num_classes=CLASSES
        )
