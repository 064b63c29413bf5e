"""A data set and a model of your own, in twenty lines: train, search, retrain, load.

python examples/own_dataset.py
"""

import torch
from torch import nn
from torch.utils.data import TensorDataset

import nas
import nas.tasks

labels = torch.arange(240) % 3
images = torch.randint(0, 200, (240, 3, 16, 16), dtype=torch.uint8)
images[torch.arange(240), labels] += 55  # each class has one brighter colour
task = nas.tasks.from_datasets("colours", ["red", "green", "blue"], TensorDataset(images, labels))
model = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(392, 3))
teacher = nas.train(task, model, epochs=20, run="runs/teacher", config={"training.clip": 1.0})
print(teacher.records())
small = {"space.options": {"cells": 1, "channels": 4}, "evaluation.training.epochs": 2}
run = nas.search(task, space="nasbench201", teacher=teacher, penalties={"params": -0.2}, trials=4,
                 config=small, run="runs/colours")  # fmt: skip
network = run.retrain("best", epochs=3)
print(run.front(), network, network.load()(torch.zeros(1, 3, 16, 16)).shape, sep="\n")
