"""The steps of an exported file, in its own runtime."""

from __future__ import annotations

from typing import Protocol

from kerastx.runtime.step_decoder import Steps
from kerastx.runtime.step_shapes import StepShapes


class FileSteps(Steps, Protocol):
    """What computes the steps of a file.

    Attributes:
        shapes: of its graph.
    """

    shapes: StepShapes


def open_steps(content: bytes, engine_format: str, *, threads: int = 1) -> FileSteps:
    """Return the steps of a "tflite" or "onnx" graph.

    Raises:
        ArtifactError: the engine cannot load the graph, or it is not one that writes.
        MissingExtraError: the engine is not installed.
    """
    if engine_format == "tflite":
        from kerastx.runtime.engines.litert_steps import LitertSteps

        return LitertSteps(content, threads=threads)
    from kerastx.runtime.engines.onnx_steps import OnnxSteps

    return OnnxSteps(content, threads=threads)
