"""The small classifier as an opened file, and a way to put other manifests or graphs into files."""

from __future__ import annotations

import dataclasses
import io
import zipfile

import onnx
import pytest

from kerastx.artifact import read_artifact, seal
from kerastx.runtime.session import load

KINDS = [(engine_format, recipe) for engine_format in ("tflite", "onnx") for recipe in ("fp32", "dynamic_wi8_afp32")]


@pytest.fixture(params=KINDS, ids=["-".join(kind) for kind in KINDS])
def kind(request) -> tuple[str, str]:
    """Format and recipe."""
    return request.param


@pytest.fixture
def session(exported, kind):
    return load(exported(*kind))


@pytest.fixture(params=["tflite", "onnx"])
def engine_format(request) -> str:
    return request.param


@pytest.fixture
def resealed(exported, tmp_path):
    """A function that writes the fp32 file of a format again, with entries of its manifest or its graph changed."""

    def make(engine_format: str, *, graph: bytes | None = None, **entries):
        artifact = read_artifact(exported(engine_format))
        path = tmp_path / f"resealed.{engine_format}"
        manifest = dataclasses.replace(artifact.manifest, **entries)
        path.write_bytes(seal(graph or graph_of(artifact.content, engine_format), manifest, engine_format))
        return path

    return make


def graph_of(content: bytes, engine_format: str) -> bytes:
    """Return the graph of a file without what stands behind it."""
    if engine_format == "tflite":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return content[: min(entry.header_offset for entry in archive.infolist())]
    model = onnx.load_from_string(content)
    del model.metadata_props[:]
    return model.SerializeToString()
