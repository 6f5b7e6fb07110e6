"""Variables to arrays and back, always by `variable.path`, never by position."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from kerastx.errors import CheckpointError
from kerastx.models.lora import LORA_NAMES, merged_weights


def weight_arrays(model: keras.Model) -> dict[str, np.ndarray]:
    """Return every weight under its `variable.path`, without seed states; LoRA is merged into its kernels."""
    merged = merged_weights(model)
    arrays = _arrays(variable for variable in model.weights if variable.name not in LORA_NAMES)
    return {**arrays, **{path: np.array(keras.ops.convert_to_numpy(value)) for path, value in merged.items()}}


def non_finite_weights(model: keras.Model) -> list[str]:
    """Return the paths of weights that hold NaN or infinity."""
    return [variable.path for variable in model.weights if not _finite(keras.ops.convert_to_numpy(variable))]


def random_state_arrays(model: keras.Model) -> dict[str, np.ndarray]:
    """Return the seed state of every layer that draws random numbers, under the layer's path."""
    return {path: np.asarray(state) for path, state in _seed_states(model)}


def set_random_states(model: keras.Model, arrays: dict[str, np.ndarray]) -> None:
    """Restore what `random_state_arrays` returned."""
    states = dict(_seed_states(model))
    _check(states, arrays, what="random state")
    for path, state in states.items():
        state.assign(arrays[path])


def _seed_states(model: keras.Model):
    for layer in model._flatten_layers():
        for index, generator in enumerate(getattr(layer, "_seed_generators", [])):
            yield f"{layer.path}/seed_{index}", generator.state


def assign_weights(variables: Iterable, arrays: dict[str, np.ndarray], *, source: str) -> None:
    """Give every variable the array of its path; CheckpointError lists all that is missing, left over or misshapen."""
    targets = {variable.path: variable for variable in variables}
    _check(targets, arrays, what=source)
    for path, variable in targets.items():
        variable.assign(arrays[path])


def transfer_weights(source: keras.Model, target: keras.Model, *, leave: Collection[str] = ()) -> list[str]:
    """Copy the weights of `source` into `target`, a model of another task over the same encoder.

    Weights that both have under one path and shape are copied; heads, and a pooler, that only one has are left alone.
    Every encoder weight of `target` must be found, else CheckpointError lists what is missing.

    Args:
        leave: names of heads that keep the weights of `target` although both have them.

    Returns:
        The paths that `target` keeps from its own initialization.
    """
    arrays = {path: array for path, array in weight_arrays(source).items() if path.split("/")[0] not in leave}
    fresh, missing, found = [], [], []
    for variable in target.weights:
        array = arrays.get(variable.path)
        if array is not None and tuple(array.shape) == tuple(variable.shape):
            found.append((variable, array))
        elif variable.path.startswith("pooler/") or variable.path.split("/")[0].endswith("_head"):
            fresh.append(variable.path)
        else:
            got = "nothing" if array is None else str(tuple(array.shape))
            missing.append(f"{variable.path} {tuple(variable.shape)}: {got}")
    if missing:
        raise CheckpointError(f"the encoder does not fit: {len(missing)} weights differ: " + "; ".join(missing))
    for variable, array in found:
        variable.assign(array)
    return fresh


def _check(targets: dict, arrays: dict[str, np.ndarray], *, what: str) -> None:
    wrong = [f"{path} is missing" for path in targets if path not in arrays]
    wrong += [f"{path} is not part of the model" for path in arrays if path not in targets]
    wrong += [
        f"{path} has shape {tuple(arrays[path].shape)}, expected {tuple(variable.shape)}"
        for path, variable in targets.items()
        if path in arrays and tuple(arrays[path].shape) != tuple(variable.shape)
    ]
    wrong += [f"{path} holds NaN or infinity" for path, array in arrays.items() if not _finite(array)]
    if wrong:
        raise CheckpointError(f"{what}: {len(wrong)} mismatches: " + "; ".join(wrong))


def _finite(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _arrays(variables: Iterable) -> dict[str, np.ndarray]:
    arrays = {}
    for variable in variables:
        if variable.path in arrays:
            raise CheckpointError(f"two weights share the path {variable.path}; give their layers different names")
        # A copy: the array of a variable on the CPU is its memory, and training goes on.
        arrays[variable.path] = np.array(keras.ops.convert_to_numpy(variable))
    return arrays


def optimizer_arrays(optimizer: keras.optimizers.Optimizer) -> dict[str, np.ndarray]:
    """Return the optimizer's state (moments, step) by `variable.path`."""
    return _arrays(optimizer.variables)


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> str:
    """Write a safetensors file through a temporary sibling; return its SHA-256."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        # Not ascontiguousarray: that makes a scalar, like the optimizer's step, an array of one.
        save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, temporary)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return file_sha256(path)


def read_arrays(path: Path, *, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Read a safetensors file; CheckpointError when it is missing, truncated or not the one recorded."""
    if not path.is_file():
        raise CheckpointError(f"{path}: expected a weights file here, found none")
    if sha256 is not None and file_sha256(path) != sha256:
        raise CheckpointError(f"{path}: the file is truncated or altered (its SHA-256 is not the recorded one)")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex characters."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
