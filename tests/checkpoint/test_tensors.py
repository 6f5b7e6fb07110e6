"""safetensors of any float type become float32 exactly; hostile and broken files end in one error."""

from __future__ import annotations

import contextlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from kerastx.checkpoint.tensors import read_tensors, weight_files
from kerastx.errors import CheckpointError


def write_raw(folder, tensors, *, header=None):
    """Write a safetensors file by hand: name -> (dtype, shape, bytes)."""
    entries, body = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(entries if header is None else header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    return folder


def test_float16_becomes_float32_exactly(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float16)
    save_file({"a": values}, tmp_path / "model.safetensors")
    arrays, wrong = read_tensors(tmp_path)
    assert wrong == []
    assert arrays["a"].dtype == np.float32
    np.testing.assert_array_equal(arrays["a"], values.astype(np.float64))


def test_bfloat16_becomes_float32_exactly(tmp_path):
    """Every bfloat16 is the upper half of a float32; both of a file's arrays, the second behind the first."""
    upper = np.array([0x3F80, 0xBF80, 0x0000, 0x4049, 0x0001, 0x7F7F], np.uint16)
    tensors = {"a": ("F32", [1], struct.pack("<f", 0.25)), "b": ("BF16", [2, 3], upper.tobytes())}
    arrays, wrong = read_tensors(write_raw(tmp_path, tensors))
    assert wrong == []
    expected = (upper.astype(np.uint32) << 16).view(np.float32).reshape(2, 3)
    np.testing.assert_array_equal(arrays["b"], expected)
    assert arrays["b"][0, 0] == 1.0
    assert arrays["a"][0] == 0.25


def test_float64_where_float32_holds_it(tmp_path):
    save_file({"a": np.array([0.5, -3.0]), "b": np.array([0.1])}, tmp_path / "model.safetensors")
    arrays, wrong = read_tensors(tmp_path)
    np.testing.assert_array_equal(arrays["a"], np.array([0.5, -3.0], "float32"))
    assert wrong == ["b is float64 with values that float32 cannot hold; save it as float32"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named(tmp_path, dtype, value):
    save_file({"good": np.ones(2, dtype), "bad": np.array([1, value], dtype)}, tmp_path / "model.safetensors")
    _, wrong = read_tensors(tmp_path)
    assert wrong == ["bad holds NaN or infinity"]


def test_bfloat16_that_is_not_finite(tmp_path):
    tensors = {"bad": ("BF16", [1], np.array([0x7FC0], np.uint16).tobytes())}
    assert read_tensors(write_raw(tmp_path, tensors))[1] == ["bad holds NaN or infinity"]


def test_whole_numbers_stay(tmp_path):
    save_file({"position_ids": np.arange(4)}, tmp_path / "model.safetensors")
    arrays, wrong = read_tensors(tmp_path)
    assert wrong == []
    assert arrays["position_ids"].tolist() == [0, 1, 2, 3]


def test_an_array_in_two_shards(tmp_path):
    for name in ("x", "y"):
        save_file({"a": np.ones(1, "float32")}, tmp_path / f"{name}.safetensors")
    index = {"weight_map": {"a": "x.safetensors", "b": "y.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert read_tensors(tmp_path)[1] == ["a stands in two files"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": 3}', "\x00"])
def test_a_broken_index(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(CheckpointError, match="expected a weight_map of array names to files"):
        weight_files(tmp_path)


def test_no_weights(tmp_path):
    with pytest.raises(CheckpointError, match=r"expected model\.safetensors or .*index\.json, found neither"):
        weight_files(tmp_path)


def test_eight_bit_floats_are_not_read(tmp_path):
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        read_tensors(write_raw(tmp_path, {"a": ("F8_E4M3", [4], b"\x01" * 4)}))


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, 200),
    flips=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=4),
)
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, cut, flips):
    folder = tmp_path_factory.mktemp("damaged")
    upper = np.arange(12, dtype=np.uint16)
    write_raw(folder, {"a": ("BF16", [12], upper.tobytes()), "b": ("F32", [2], struct.pack("<2f", 1, 2))})
    file = folder / "model.safetensors"
    data = bytearray(file.read_bytes())
    for position, value in flips:
        if position < len(data):
            data[position] = value
    file.write_bytes(bytes(data[: len(data) - cut] if cut < len(data) else b""))
    arrays = {}
    with contextlib.suppress(CheckpointError):
        arrays, _ = read_tensors(folder)
    assert all(array.nbytes <= 96 for array in arrays.values())
