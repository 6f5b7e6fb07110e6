"""safetensors files of other programs -> arrays: any of their number types, one file or shards, nothing executed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from kerastx.errors import CheckpointError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
# Longer headers are not read: the file is hostile or broken.
_MAX_HEADER_BYTES = 100 * 2**20


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a model: one, or the shards that its index names.

    Raises:
        CheckpointError: there are none, a shard is missing, or the index points out of the folder.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    index = folder / INDEX
    if not index.is_file():
        pickled = sorted(path.name for path in folder.glob("*.bin")) + sorted(path.name for path in folder.glob("*.pt"))
        if pickled:
            raise CheckpointError(
                f"{folder}: expected {SINGLE}, found only {pickled[0]}, a pickle, which can run code and is not read; "
                "load it with transformers and call model.save_pretrained(folder, safe_serialization=True)"
            )
        raise CheckpointError(f"{folder}: expected {SINGLE} or {INDEX}, found neither")
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{index}: expected a weight_map of array names to files") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or name.startswith("."):
            raise CheckpointError(f"{index}: expected names of files in this folder, got {name!r}")
        if not (folder / name).is_file():
            raise CheckpointError(f"{index}: names {name}, which is not there; download it again")
    return [folder / name for name in names]


def read_tensors(folder: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return all float arrays as float32, and what is wrong with some.

    float16 and bfloat16 become float32 exactly; float64 does where float32 holds its values. Whole numbers, which are
    buffers such as position ids, come as they are.
    """
    arrays: dict[str, np.ndarray] = {}
    wrong: list[str] = []
    for file in weight_files(folder):
        for name, array, problem in _read_file(file):
            if name in arrays:
                wrong.append(f"{name} stands in two files")
            if problem:
                wrong.append(f"{name} {problem}")
            arrays[name] = array
    return arrays, wrong


def _read_file(file: Path):
    try:
        with safe_open(file, "np") as tensors:
            offsets = _bfloat16_offsets(file)
            for name in tensors.keys():  # noqa: SIM118 - not a dict
                if name in offsets:
                    array = _read_bfloat16(file, offsets[name], tensors.get_slice(name).get_shape())
                else:
                    array = tensors.get_tensor(name)
                yield name, *_as_float32(array)
    except (OSError, SafetensorError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file}: not a readable safetensors file: {error}") from error


def _bfloat16_offsets(file: Path) -> dict[str, int]:
    """Return where the bfloat16 arrays begin, in bytes: numpy has no such type, so the library does not read them."""
    with open(file, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > _MAX_HEADER_BYTES:
            raise ValueError(f"its header is of {length:,} bytes")
        header = json.loads(stream.read(length))
    return {
        name: 8 + length + entry["data_offsets"][0]
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "BF16"
    }


def _read_bfloat16(file: Path, offset: int, shape: list[int]) -> np.ndarray:
    upper = np.fromfile(file, "<u2", count=int(np.prod(shape)), offset=offset)
    return (upper.astype(np.uint32) << 16).view(np.float32).reshape(shape)


def _as_float32(array: np.ndarray) -> tuple[np.ndarray, str]:
    if array.dtype.kind != "f":
        return array, ""
    with np.errstate(over="ignore"):
        converted = array.astype(np.float32)
    if not np.isfinite(array).all():
        return converted, "holds NaN or infinity"
    if array.dtype.itemsize > 4 and not np.array_equal(converted, array):
        return converted, "is float64 with values that float32 cannot hold; save it as float32"
    return converted, ""
