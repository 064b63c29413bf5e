"""Memory of a search, and of a training, on more images than memory should hold.

Images and masks are written to a folder: drawn faces, each many times over with its colours and its
place changed. ``search`` starts a search of a few candidates on them, with two workers, and
``train`` a training; both print the largest memory of every process. Anonymous memory belongs to
the process alone; mapped files are the system's, which takes their pages back when it needs them.
``speed`` compares batches of a mapped split with the same ones in memory. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

import nas.tasks
from nas.tasks.faces.drawing import draw_faces
from nas.training.images import ImageBatches, Normaliser

_KINDS = ("RssAnon", "RssShmem", "RssFile")
_ROUND = 0.5


def write_folder(folder: Path, count: int, size: int, drawn: int) -> None:
    """Writes so many images and masks, and a task.yaml; nothing where they are."""
    if (folder / "task.yaml").exists():
        return
    task = nas.tasks.load("faces", size=size, train=8, validation=1, test=1)
    images, masks = draw_faces((7,), min(drawn, count), size)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    for index in range(count):
        one = index % len(images)
        shift = tuple(rng.integers(-size // 10, size // 10 + 1, 2))
        image = np.roll(images[one], shift, (0, 1)) * rng.uniform(0.6, 1.0, 3)
        mask = np.roll(masks[one], shift, (0, 1))
        # No two are the same, as copies in two splits are refused.
        image[0, :4] = [[byte, 0, 0] for byte in index.to_bytes(4, "little")]
        for name, pixels in (("images", image.astype(np.uint8)), ("masks", mask)):
            Image.fromarray(pixels).save(folder / f"{name}/{index:05d}.png", compress_level=1)
    (folder / "task.yaml").write_text(
        f"name: many faces\nkind: segmentation\nimages: images\nmasks: masks\n"
        f"classes: [{', '.join(task.classes)}]\ninput_size: [{size}, {size}]\n"
    )


def watched(command: list[str], seconds: float) -> None:
    """Runs a command, ended after so many seconds, and prints the peaks of all its processes."""
    mark = f"NAS_LARGE_DATA={os.getpid()}"
    environment = {**os.environ, **dict([mark.split("=")])}
    process = subprocess.Popen(command, env=environment)
    peaks: defaultdict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < seconds:
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                if mark.encode() not in (folder / "environ").read_bytes().split(b"\0"):
                    continue
                words = (folder / "cmdline").read_text().split("\0")
                rows = (folder / "status").read_text().splitlines()
                found = {row.split(":")[0]: int(row.split()[1]) for row in rows if "Rss" in row}
                known = peaks[int(folder.name), " ".join(words[1:4])]
                for kind in (*_KINDS, "VmRSS"):
                    known[kind] = max(known.get(kind, 0), found.get(kind, 0))
        time.sleep(_ROUND)
    process.terminate()
    code = process.wait()
    print(f"exit code {code} after {time.monotonic() - began:.0f} s; peaks in MiB:")
    for (_, name), peak in peaks.items():
        kinds = (*_KINDS, "VmRSS")
        print("  " + "  ".join(f"{kind} {peak[kind] / 1024:7.0f}" for kind in kinds) + f"  {name}")


def compare(folder: Path, rounds: int, batch: int) -> None:
    """Prints images per second of processor time, mapped and in memory, and their ratio."""
    task = nas.tasks.load_segmentation(folder)
    with mock.patch("nas.tasks.dataset.IN_MEMORY", 0):
        mapped = nas.tasks.load(folder).dataset("train")
        assert len(mapped.images) == len(task.dataset("train").images)
    ratios, speeds = [], defaultdict(list)
    for round_ in range(rounds):
        for kind, data, limit in (("memory", task.dataset("train"), 2**60), ("mapped", mapped, 0)):
            source = ImageBatches(
                data.images,
                data.targets,
                batch,
                Normaliser(task.mean, task.std),
                task.transform("full"),
                torch.device("cpu"),
                0,
            )
            with mock.patch("nas.training.images.IN_MEMORY", limit):
                began = time.process_time()
                taken = sum(len(one.targets) for one in source.epoch(round_))
                speeds[kind].append(taken / (time.process_time() - began))
        ratios.append(speeds["mapped"][-1] / speeds["memory"][-1])
    for kind, values in speeds.items():
        print(f"{kind}: {statistics.median(values):.0f} images/s")
    print(
        f"mapped / memory: {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}), {rounds} rounds of {taken} images"
    )


def main() -> None:
    """Does what the command line says."""
    options = parse_arguments()
    folder = options.folder / f"{options.images}-{options.size}"
    write_folder(folder, options.images, options.size, options.drawn)
    nas_command = [sys.executable, "-m", "nas"]
    run = str(options.folder / f"run-{time.time_ns()}")
    if options.what == "search":
        chosen = ["search", "--task", str(folder), "--run", run, "--trials", str(options.trials)]
        chosen += ["--workers", "2", "--no-distillation", "--space", "nano", *options.options]
        watched([*nas_command, *chosen], options.seconds)
    elif options.what == "train":
        chosen = ["train", "--task", str(folder), "--run", run, *options.options]
        watched([*nas_command, *chosen], options.seconds)
    else:
        compare(folder, options.rounds, options.batch)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("what", choices=["search", "train", "speed"])
    add("--folder", type=Path, default=Path("large-data"), help="where images and runs go")
    add("--images", type=int, default=30000)
    add("--size", type=int, default=256, help="side of the images in pixels")
    add("--drawn", type=int, default=300, help="different faces")
    add("--trials", type=int, default=8, help="candidates of the search")
    add("--seconds", type=float, default=3600.0, help="after which a command is ended")
    add("--rounds", type=int, default=7, help="of speed")
    add("--batch", type=int, default=16, help="images of a batch, of speed")
    parser.epilog = "What follows -- are options of nas search or nas train."
    # argparse does not give them to a positional that follows options.
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:end])
    options.options = given[end + 1 :]
    return options


if __name__ == "__main__":
    main()
