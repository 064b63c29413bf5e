"""Time per step of networks that learn from each other against that of independent trainings.

Each method trains its own copies of the networks on the same batch; they take turns in one process.
The bound is (K + K²) / 2K plus a tenth: K upper and K² lower passes, of equal cost, where
independent trainings take K of each. A sequential step takes more, as each update makes void what
led through its network.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from nas.models.classifiers import ClassifierSettings, create_classifier
from nas.mutual_learning.losses import MutualLoss
from nas.mutual_learning.splitting import split
from nas.mutual_learning.students import Students
from nas.mutual_learning.training import MutualLoop, MutualUpdate
from nas.training.loop import Batch
from nas.training.update import Group, Update

CLASSES = 10


class OneBatch:
    """The same batch in every epoch.

    Args:
        images: N x channels x height x width.
        labels: N.
    """

    def __init__(self, images: Tensor, labels: Tensor):
        self._batch = Batch(images, labels)

    def __len__(self) -> int:
        return 1

    def epoch(self, index: int) -> Iterable[Batch]:
        """The batch."""
        return [self._batch]


def main() -> None:
    """Times the methods and prints a row for each."""
    options = parse_arguments()
    torch.set_num_threads(options.threads)
    models = options.models.split(",")
    loops = {
        "independent": loop_of(options, models, MutualLoss("independent")),
        "dml, sequential": loop_of(options, models, MutualLoss("dml")),
        "xml, simultaneous": loop_of(options, models, MutualLoss("xml"), simultaneous=True),
        "xml, sequential": loop_of(options, models, MutualLoss("xml")),
    }
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(options.steps + 1):
        for name, loop in loops.items():
            start = time.process_time()
            loop.epoch(number)
            # The first step allocates.
            if number:
                seconds[name].append(time.process_time() - start)
    count = len(models)
    bound = 1.1 * (count + count**2) / (2 * count)
    print(f"{options.models} cut after {options.cut}, {options.batch} images of {options.size} px,")
    print(f"{options.threads} thread(s), median of {options.steps} steps; bound {bound:.2f}\n")
    print("| method | s of CPU per step | ratio |")
    print("|---|---|---|")
    for name, took in seconds.items():
        # In turns: what slows the machine down for a while meets all methods.
        ratios = [one / base for one, base in zip(took, seconds["independent"], strict=True)]
        print(f"| {name} | {statistics.median(took):.3f} | {statistics.median(ratios):.2f} |")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--models", default="resnet34,resnet18")
    add("--cut", default="layer2")
    add("--size", type=int, default=32, help="of the images, in pixels (default 32)")
    add("--batch", type=int, default=32, help="images of a batch (default 32)")
    add("--steps", type=int, default=7, help="steps of each method (default 7)")
    add("--threads", type=int, default=1, help="threads of PyTorch (default 1)")
    return parser.parse_args()


def loop_of(
    options: argparse.Namespace, models: list[str], loss: MutualLoss, simultaneous: bool = False
) -> MutualLoop:
    """A training of new networks."""
    shape = (options.size, options.size)
    networks = {}
    for number, name in enumerate(models):
        network = create_classifier(ClassifierSettings(name=name), CLASSES, shape)
        networks[f"{name}-{number}"] = split(network, options.cut.split(","), name)
    students = Students(networks, (1, 3, *shape))
    generator = torch.Generator().manual_seed(0)
    batches = OneBatch(
        torch.randn((options.batch, 3, *shape), generator=generator),
        torch.randint(CLASSES, (options.batch,), generator=generator),
    )
    updates = {n: Update([Group(students.student(n), "adam", 1e-4)]) for n in range(len(models))}
    return MutualLoop(
        students=students,
        batches=batches,
        loss=loss,
        task=functional.cross_entropy,
        update=MutualUpdate(updates),
        order="simultaneous" if simultaneous else "sequential",
    )


if __name__ == "__main__":
    main()
