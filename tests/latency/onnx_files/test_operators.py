"""Every operator against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from latency.onnx_files.operators import UnknownOperatorError, operator

IMAGE = np.random.default_rng(0).standard_normal((2, 4, 6, 5)).astype(np.float32)
TABLE = IMAGE.reshape(2, 120)[:, :8].copy()


def of(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


POOL: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
CASES: list[tuple[str, list[np.ndarray | None], dict[str, Any]]] = [
    ("Conv", [IMAGE, of(6, 4, 3, 3), of(6)], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ("Conv", [IMAGE, of(4, 1, 3, 3)], {"group": 4, "dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    ("Conv", [IMAGE, of(6, 4, 3, 3)], {"pads": [0, 1, 2, 1]}),
    ("MaxPool", [IMAGE], POOL),
    ("MaxPool", [IMAGE], {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "strides": [1, 1]}),
    ("AveragePool", [IMAGE], {**POOL, "count_include_pad": 1}),
    ("AveragePool", [IMAGE], POOL),
    ("AveragePool", [IMAGE], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    ("GlobalAveragePool", [IMAGE], {}),
    ("BatchNormalization", [IMAGE, of(4), of(4), of(4), np.abs(of(4)) + 1], {"epsilon": 1e-3}),
    ("LayerNormalization", [IMAGE, of(5), of(5)], {"axis": -1, "epsilon": 1e-6}),
    ("Gemm", [TABLE, of(3, 8), of(3)], {"transB": 1}),
    ("Gemm", [TABLE, of(8, 3), of(3)], {"alpha": 2.0, "beta": 0.5}),
    ("MatMul", [IMAGE, of(5, 3)], {}),
    *[(name, [IMAGE, of(4, 1, 1)], {}) for name in ("Add", "Sub", "Mul", "Div")],
    ("Pow", [np.abs(IMAGE), np.array(2.0, np.float32)], {}),
    *[(name, [IMAGE], {}) for name in ("Relu", "Sigmoid", "Tanh", "Erf", "HardSwish", "Identity")],
    ("Sqrt", [np.abs(IMAGE)], {}),
    ("HardSigmoid", [IMAGE], {"alpha": 1 / 6, "beta": 0.5}),
    ("LeakyRelu", [IMAGE], {"alpha": 0.2}),
    ("PRelu", [IMAGE, of(4, 1, 1)], {}),
    ("Clip", [IMAGE, np.array(0, np.float32), np.array(1, np.float32)], {}),
    ("Clip", [IMAGE, None, np.array(1, np.float32)], {}),
    ("Concat", [IMAGE, IMAGE], {"axis": 1}),
    ("Softmax", [IMAGE], {"axis": 1}),
    ("Flatten", [IMAGE], {"axis": 1}),
    ("Transpose", [IMAGE], {"perm": [0, 2, 3, 1]}),
    ("Reshape", [IMAGE, whole(0, 2, -1)], {}),
    ("Expand", [IMAGE[:, :, :1, :1].copy(), whole(1, 4, 3, 2)], {}),
    ("Squeeze", [IMAGE[:, :, :1, :1].copy(), whole(2, 3)], {}),
    ("Unsqueeze", [TABLE, whole(0, 3)], {}),
    ("Slice", [IMAGE, whole(1, 0), whole(3, 2**62), whole(1, 3), whole(1, 2)], {}),
    ("Gather", [IMAGE, np.array(1)], {"axis": 1}),
    ("Gather", [IMAGE, whole(2, 0)], {"axis": 2}),
    ("ReduceMean", [IMAGE, whole(2, 3)], {"keepdims": 1}),
    ("ReduceMean", [IMAGE, whole(-1)], {"keepdims": 0}),
    ("Resize", [IMAGE, None, None, whole(2, 4, 9, 10)], {"mode": "linear"}),
    ("Resize", [IMAGE, None, np.array([1, 1, 2, 2], np.float32)], {"mode": "linear"}),
    (
        "Resize",
        [IMAGE, None, None, whole(2, 4, 9, 10)],
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    ),
    (
        "Resize",
        [IMAGE, None, np.array([1, 1, 2, 2], np.float32)],
        {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
    ),
]


def run(name: str, inputs: list[np.ndarray | None], attributes: dict[str, Any]) -> np.ndarray:
    names = ["" if value is None else f"i{place}" for place, value in enumerate(inputs)]
    node = helper.make_node(name, names, ["o"], **attributes)
    given = {key: value for key, value in zip(names, inputs, strict=True) if value is not None}
    values = [
        helper.make_tensor_value_info(
            key, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for key, value in given.items()
    ]
    output = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "one", values, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found: np.ndarray = session.run(None, given)[0]
    return found


def computed(name: str, inputs: list[np.ndarray | None], attributes: dict[str, Any]) -> Any:
    read = {
        one.name: helper.get_attribute_value(one)
        for one in helper.make_node(name, [], [], **attributes).attribute
    }
    tensors = [None if value is None else torch.from_numpy(np.array(value)) for value in inputs]
    return operator(name)(tensors, read)


@pytest.mark.parametrize(
    ("name", "inputs", "attributes"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_it_computes_the_same(name, inputs, attributes) -> None:
    expected = run(name, inputs, attributes)
    found = computed(name, inputs, attributes).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_split_gives_several() -> None:
    first, second = computed("Split", [IMAGE, whole(1, 3)], {"axis": 1})
    assert np.array_equal(first, IMAGE[:, :1]) and np.array_equal(second, IMAGE[:, 1:])


def test_a_shape_of_one_image_is_that_of_several() -> None:
    found = computed("Reshape", [IMAGE, whole(1, 4, 30)], {})
    assert np.array_equal(found, IMAGE.reshape(2, 4, 30))


@pytest.mark.parametrize(
    ("name", "inputs", "attributes", "message"),
    [
        ("Det", [IMAGE], {}, "the operator Det is not known"),
        ("Conv", [IMAGE, of(6, 4, 3, 3)], {"auto_pad": "SAME_UPPER"}, "padding SAME_UPPER"),
        ("Resize", [IMAGE, None, None, whole(2, 4, 9, 9)], {"mode": "cubic"}, "by cubic with"),
        ("Slice", [IMAGE, whole(3), whole(0), whole(1), whole(-1)], {}, "goes backwards"),
    ],
)
def test_what_is_not_known_is_refused(name, inputs, attributes, message) -> None:
    with pytest.raises(UnknownOperatorError, match=message):
        computed(name, inputs, attributes)
