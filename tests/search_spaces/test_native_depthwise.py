from __future__ import annotations

import copy
import subprocess

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from search_spaces.fastnas.convolution import CroppedConv2d
from search_spaces.native import choices, depthwise, library

needs_kernels = pytest.mark.skipif(
    library.load() is None, reason="the native kernels cannot be compiled on this machine"
)


@pytest.fixture(autouse=True)
def _native(monkeypatch):
    """Whatever this machine would choose."""
    monkeypatch.setattr(choices, "prefers_native", lambda *of_shape: True)


@pytest.fixture
def loaded_anew():
    """Lets a test load the library under other conditions."""
    library.load.cache_clear()
    yield
    library.load.cache_clear()


def tensors(channels, kernel, size=(7, 9), images=2):
    generator = torch.Generator().manual_seed(channels + kernel)
    values = torch.randn(images, channels, *size, generator=generator)
    weight = torch.randn(channels, 1, kernel, kernel, generator=generator)
    delta = torch.randn(images, channels, *size, generator=generator)
    return values, weight, delta


def torchs(values, weight, dilation):
    padding = dilation * (weight.shape[-1] // 2)
    return F.conv2d(values, weight, None, 1, padding, dilation, weight.shape[0])


def passes(function, values, weight, delta, dilation):
    """Output and both gradients."""
    values, weight = values.detach().requires_grad_(), weight.detach().requires_grad_()
    output = function(values, weight, dilation)
    output.backward(delta)
    return output.detach(), values.grad, weight.grad


def assert_same(values, weight, delta, dilation):
    found = passes(depthwise.depthwise_conv2d, values, weight, delta, dilation)
    exact = passes(torchs, values.double(), weight.double(), delta.double(), dilation)
    for one, other in zip(found, exact, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-4)


@needs_kernels
@pytest.mark.parametrize("kernel", [3, 5])
def test_output_and_gradients_are_the_same_where_pytorch_is_faster(kernel, monkeypatch):
    monkeypatch.setattr(choices, "prefers_native", lambda *of_shape: False)
    assert_same(*tensors(40, kernel), 1)


@needs_kernels
@pytest.mark.parametrize("channels", [1, 3, 8, 40, 48, 64, 75])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("dilation", [1, 3, 6, 12])
def test_output_and_gradients_are_those_of_torch(channels, kernel, dilation):
    # A map of 7x9 is smaller than the reach of the larger dilations.
    assert_same(*tensors(channels, kernel), dilation)


@needs_kernels
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (2, 2), (13, 30)])
@pytest.mark.parametrize("dilation", [1, 6])
def test_maps_of_any_size(size, dilation):
    assert_same(*tensors(11, 5, size), dilation)


@needs_kernels
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.contiguous(memory_format=torch.channels_last),
        lambda t: torch.stack([t, t])[1],
        lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
        lambda t: torch.cat([t, t], dim=1)[:, : t.shape[1]],
        lambda t: torch.cat([t, t], dim=3)[..., ::2],
        lambda t: t[:1].expand_as(t),
        lambda t: t[:, :1].expand_as(t),
    ],
    ids=["channels last", "slice", "transposed", "channels", "strided", "images", "constant"],
)
def test_tensors_of_any_memory_order(change):
    values, weight, delta = tensors(8, 3)
    assert_same(change(values), weight, change(delta), 2)
    assert_same(values, change(weight.repeat(2, 1, 1, 1)[:8]), delta, 2)


@needs_kernels
def test_the_gradient_of_a_sum_is_taken():
    # The gradient of a sum is one number that is spread over the map without memory of its own.
    values, weight, _ = tensors(8, 3)
    leaf = values.clone().requires_grad_()
    depthwise.depthwise_conv2d(leaf, weight).sum().backward()
    expected = values.clone().requires_grad_()
    torchs(expected, weight, 1).sum().backward()
    torch.testing.assert_close(leaf.grad, expected.grad, rtol=1e-5, atol=1e-5)


@needs_kernels
def test_gradients_are_those_that_are_asked_for():
    values, weight, delta = tensors(8, 3)
    only = weight.clone().requires_grad_()
    depthwise.depthwise_conv2d(values, only).backward(delta)
    torch.testing.assert_close(
        only.grad, passes(torchs, values, weight, delta, 1)[2], rtol=1e-5, atol=1e-4
    )
    leaf = values.clone().requires_grad_()
    depthwise.depthwise_conv2d(leaf, weight).backward(delta)
    assert leaf.grad is not None
    assert weight.grad is None


@needs_kernels
def test_the_inputs_are_left_as_they_are_and_outputs_are_channels_last():
    values, weight, _ = tensors(8, 3)
    before = values.clone(), weight.clone()
    output = depthwise.depthwise_conv2d(values, weight)
    assert torch.equal(values, before[0])
    assert torch.equal(weight, before[1])
    assert output.is_contiguous(memory_format=torch.channels_last)


@needs_kernels
def test_no_images_give_no_output():
    values, weight, _ = tensors(8, 3)
    assert depthwise.depthwise_conv2d(values[:0], weight).shape == (0, 8, 7, 9)


@needs_kernels
def test_plain_float32_tensors_on_the_cpu_are_supported():
    values, weight, _ = tensors(8, 3)
    assert depthwise.is_supported(values, weight)
    assert depthwise.is_supported(values, nn.Parameter(weight))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_precisions_are_not(dtype):
    values, weight, _ = tensors(8, 3)
    assert not depthwise.is_supported(values.to(dtype), weight.to(dtype))
    assert not depthwise.is_supported(values, weight.to(dtype))


def test_the_meta_device_is_not():
    values, weight, _ = tensors(8, 3)
    assert not depthwise.is_supported(values.to("meta"), weight.to("meta"))


def test_autocast_is_not():
    values, weight, _ = tensors(8, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not depthwise.is_supported(values, weight)
        assert layer(8)(values).dtype == torch.bfloat16


def layer(channels, kernel=3, dilation=2):
    return CroppedConv2d(channels, channels, kernel, dilation, groups=channels)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit")
def test_a_traced_layer_holds_the_standard_operation():
    values, _, _ = tensors(8, 3)
    traced = torch.jit.trace(layer(8), values)
    assert "aten::_convolution" in str(traced.inlined_graph)


def test_an_exported_layer_holds_the_standard_operation():
    values, _, _ = tensors(8, 3)
    program = torch.export.export(layer(8), (values,))
    assert any("conv2d" in str(node.target) for node in program.graph.nodes)


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_operations_are_counted(device):
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        layer(8, dilation=1).to(device)(torch.zeros(1, 8, 6, 6, device=device))
    assert counter.get_total_flops() == 2 * 8 * 9 * 36


@needs_kernels
def test_a_layer_uses_the_kernels(monkeypatch):
    calls = []
    real = depthwise.depthwise_conv2d
    monkeypatch.setattr(
        depthwise, "depthwise_conv2d", lambda *args: calls.append(args[2]) or real(*args)
    )
    values, _, _ = tensors(8, 3)
    layer(8)(values)
    assert calls == [2]
    CroppedConv2d(8, 8, 3, 1)(values)
    CroppedConv2d(8, 8, 3, 1, groups=4)(values)
    CroppedConv2d(8, 8, 3, 1, groups=8, bias=True)(values)
    assert calls == [2]


@pytest.mark.parametrize("dilation", [1, 3, 6, 12])
def test_a_layer_without_the_kernels_gives_the_same(monkeypatch, dilation):
    values, _, delta = tensors(40, 5)
    native = layer(40, 5, dilation)
    plain = copy.deepcopy(native)
    outputs = [native(values)]
    outputs[0].backward(delta)
    monkeypatch.setattr(library, "load", lambda: None)
    outputs.append(plain(values))
    outputs[1].backward(delta)
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(native.weight.grad, plain.weight.grad, rtol=1e-5, atol=1e-4)


def test_the_kernels_can_be_switched_off(monkeypatch, loaded_anew):
    monkeypatch.setenv("NAS_NATIVE", "0")
    assert library.load() is None
    values, weight, _ = tensors(8, 3)
    assert not depthwise.is_supported(values, weight)


def test_without_a_compiler_torch_is_used(monkeypatch, loaded_anew):
    monkeypatch.setattr(library.shutil, "which", lambda name: None)
    assert library.load() is None


def test_with_a_compiler_that_fails_torch_is_used(monkeypatch, loaded_anew, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))

    def fail(command, **options):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(library.subprocess, "run", fail)
    assert library.load() is None
    assert not list(tmp_path.rglob("*.so"))


@needs_kernels
def test_the_kernels_are_compiled_once(monkeypatch, loaded_anew, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    assert library.load() is not None
    assert {path.suffix for path in (tmp_path / "native").iterdir()} == {".so", ".sha256"}
    monkeypatch.setattr(library.subprocess, "run", None)
    library.load.cache_clear()
    assert library.load() is not None


@needs_kernels
@pytest.mark.parametrize("spoil", ["shorten", "exchange", "open_to_others", "link"])
def test_a_library_that_may_not_be_ours_is_compiled_again(
    monkeypatch, loaded_anew, tmp_path, spoil
):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    assert library.load() is not None
    (path,) = (tmp_path / "native").glob("*.so")
    right = path.read_bytes()
    if spoil == "shorten":
        path.write_bytes(right[: len(right) // 2])
    elif spoil == "exchange":
        path.write_bytes(right + b"!")
    elif spoil == "open_to_others":
        path.chmod(0o666)
    else:
        path.symlink_to(path.rename(tmp_path / "elsewhere.so"))
    library.load.cache_clear()
    assert library.load() is not None
    assert not path.is_symlink()
    assert path.stat().st_mode & 0o077 == 0
    assert library._digest(path.read_bytes()) == path.with_suffix(".sha256").read_bytes()


@needs_kernels
def test_the_folder_of_the_kernels_is_closed_to_others(monkeypatch, loaded_anew, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    tmp_path.chmod(0o777)
    (tmp_path / "native").mkdir()
    (tmp_path / "native").chmod(0o777)
    assert library.load() is not None
    assert (tmp_path / "native").stat().st_mode & 0o777 == 0o700


@needs_kernels
@pytest.mark.parametrize("variables", [{"NAS_CACHE": ""}, {"XDG_CACHE_HOME": ""}])
def test_no_kernel_of_the_working_folder_is_loaded(monkeypatch, loaded_anew, tmp_path, variables):
    (tmp_path / "home").mkdir()
    for name, value in {"HOME": str(tmp_path / "home"), **variables}.items():
        monkeypatch.setenv(name, value)
    for name in {"NAS_CACHE", "XDG_CACHE_HOME"} - variables.keys():
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert library.load() is not None
    assert not list((tmp_path / "work").iterdir())
    assert list((tmp_path / "home").rglob("*.so"))


@needs_kernels
def test_an_empty_cache_variable_means_the_default_folder(monkeypatch, loaded_anew, tmp_path):
    # As for the drawn faces; a folder "native" must not appear where the user happens to be.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert library.load() is not None
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
