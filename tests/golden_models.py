"""The models of transformers in tests/golden, with what it answers, and ways to spoil them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

GOLDEN = Path(__file__).resolve().parent / "golden"
FOLDERS = sorted(folder.name for folder in GOLDEN.iterdir() if (folder / "golden.npz").is_file())


def golden(name):
    arrays = np.load(GOLDEN / name / "golden.npz", allow_pickle=False)
    parts = {"input": {}, "output": {}}
    for key in arrays.files:
        side, _, tensor = key.partition("_")
        parts[side][tensor] = arrays[key]
    inputs = {key: value.astype("bool" if key == "padding_mask" else "int32") for key, value in parts["input"].items()}
    return inputs, parts["output"]


def copy(name, folder):
    return Path(shutil.copytree(GOLDEN / name, folder / name))


def rewrite(folder, change):
    """Change the arrays of a folder's weights."""
    arrays = load_file(folder / "model.safetensors")
    change(arrays)
    save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def reconfigure(folder, **values):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    return folder
