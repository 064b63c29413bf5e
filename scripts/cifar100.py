"""CIFAR-100 (Krizhevsky 2009) as a task: 50,000 images of 32x32 pixels to train on, 10,000 to test.

The data are those of https://www.cs.toronto.edu/~kriz/cifar.html, unpacked; nothing is downloaded.

    nas task check scripts/cifar100.py:cifar100 --data FOLDER

FOLDER holds ``cifar-100-python``.
"""

from __future__ import annotations

import importlib

import nas.tasks
from nas.errors import UserError
from nas.vision_libraries import torchvision

_MEAN, _STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)


def cifar100(data: str = "cifar100", seed: int = 0) -> nas.tasks.Task:
    """The task; a tenth of the training images is held out for validation.

    Args:
        data: Folder that holds ``cifar-100-python``.
        seed: Decides what is held out.

    Raises:
        UserError: If the data are not there.
    """
    datasets = importlib.import_module(f"{torchvision.__name__}.datasets")
    try:
        train, test = (datasets.CIFAR100(data, train=part) for part in (True, False))
    except RuntimeError as error:
        raise UserError(
            f"{data}: no folder cifar-100-python with the files of CIFAR-100; unpack "
            "cifar-100-python.tar.gz there."
        ) from error
    return nas.tasks.from_datasets(
        "cifar100", train.classes, train, test=test, seed=seed, mean=_MEAN, std=_STD
    )
