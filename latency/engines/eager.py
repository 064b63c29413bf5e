"""PyTorch as it is, one kernel after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latency.devices.device import Placement
from latency.engines.binding import on_stream
from latency.engines.clocks import Clock, CudaClock, cpu_clock
from latency.engines.engine import Prepared, Source, network_of, noise_image
from latency.network import deployed_copy


@dataclass(frozen=True)
class OnDevice:
    """A network and its input on a device, and how a run there is timed.

    Attributes:
        network: A copy in evaluation mode, channels last.
        image: Its input.
        clock: What a run is timed with.
        stream: The stream in use on a GPU, None on a CPU.
    """

    network: nn.Module
    image: Tensor
    clock: Clock
    stream: torch.cuda.Stream | None


@contextmanager
def on_device(
    model: nn.Module, input_shape: Sequence[int], placement: Placement
) -> Iterator[OnDevice]:
    """A copy of a network on a device, for inference in float32.

    Within the context PyTorch uses the threads of the placement, tries cuDNN's algorithms and
    leaves TF32 alone; afterwards everything is as it was.

    Raises:
        UnavailableError: If torch does not see the device.
    """
    device = placement.device
    with ExitStack() as stack:
        stream = stack.enter_context(on_stream(device)) if device.kind == "cuda" else None
        stack.enter_context(_threads(placement.threads))
        stack.enter_context(_true_float32())
        network = deployed_copy(model, str(device))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        image = torch.from_numpy(noise_image(input_shape)).to(str(device))
        image = image.contiguous(memory_format=torch.channels_last)
        # From here on: a recording for a compiler needs plain tensors.
        stack.enter_context(torch.inference_mode())
        yield OnDevice(
            network=network,
            image=image,
            clock=CudaClock(stream) if stream else cpu_clock(placement),
            stream=stream,
        )


class Eager:
    """Runs a network of PyTorch as it is."""

    name = "torch"
    takes_onnx = False
    predictable = True
    on_cpu = "torch"
    reference = "torch"

    @contextmanager
    def prepare(
        self, source: Source, input_shape: Sequence[int], placement: Placement
    ) -> Iterator[Prepared]:
        """Copies the network to the device."""
        with on_device(network_of(source, self.name), input_shape, placement) as placed:
            yield prepared(placed.network, placed, "torch eager")


def prepared(network: nn.Module, placed: OnDevice, provider: str) -> Prepared:
    """A callable network with the image of `placed`."""

    def run() -> None:
        network(placed.image)
        if placed.stream is not None:
            placed.stream.synchronize()

    return Prepared(run=run, clock=placed.clock, provider=provider)


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _true_float32() -> AbstractContextManager[None]:
    context: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=True, allow_tf32=False
    )
    return context
