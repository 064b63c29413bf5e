"""Trains the teacher in a second process while the encoder is trained in this one.

On a CPU two processes of one thread each are faster than one process with two threads.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from nas.cores import available_cpus
from nas.errors import UserError
from nas.training.trainer import EpochRecord

Announce = Callable[[str, EpochRecord, int], None]
"""Told (what is trained, the epoch, the number of epochs)."""

Train = Callable[[Announce], object]


@contextmanager
def beside(train: Train, announce: Announce) -> Iterator[Announce]:
    """Runs a training in a process of its own for as long as the block and beyond.

    Args:
        train: The training; it can be pickled and leaves its result in a file.
        announce: Told of the epochs of both trainings, in this process.

    Yields:
        What the training in the block is to tell of its epochs.

    Raises:
        UserError: If the other training ends with one.
        RuntimeError: If the other process dies.
    """
    context = multiprocessing.get_context("spawn")
    messages: Any = context.Queue()
    process = context.Process(target=_run, args=(train, messages), daemon=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with _interrupts_held():
        process.start()

    def both(what: str, record: EpochRecord, epochs: int) -> None:
        announce(what, record, epochs)
        _relay(messages, announce, wait=0.0)

    try:
        yield both
        _finish(process, messages, announce)
    finally:
        process.terminate()
        process.join()
        torch.set_num_threads(threads)


def pays_off(device: torch.device) -> bool:
    """Whether there is a second core for a second training."""
    cores = available_cpus()
    return device.type == "cpu" and cores > 1


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C goes to all processes of a terminal; one that starts in here does not get it.

    It has nothing to say of it, and is ended by this one.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(train: Train, messages: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    try:
        train(lambda *epoch: messages.put(epoch))
    except UserError as error:
        messages.put(error)


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, killed for instance."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this process was started by `beside`
    parent.join()
    os._exit(1)


def _finish(process: BaseProcess, messages: Any, announce: Announce) -> None:
    while process.is_alive():
        _relay(messages, announce, wait=0.2)
    _relay(messages, announce, wait=0.2)
    if process.exitcode:
        raise RuntimeError(
            f"the training beside this one died with exit code {process.exitcode}; "
            "its last epoch is kept, so repeating the command resumes it"
        )


def _relay(messages: Any, announce: Announce, wait: float) -> None:
    """Passes on what the other process has said, waiting for the first word only."""
    while True:
        try:
            message = messages.get(timeout=wait) if wait else messages.get_nowait()
        except queue.Empty:
            return
        if isinstance(message, UserError):
            raise message
        announce(*message)
        wait = 0.0
