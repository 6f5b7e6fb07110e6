"""Memory of a file, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from kerastx.errors import ExportError
from kerastx_export.peak_memory import peak_memory_bytes


@pytest.mark.parametrize("engine_format", ["tflite", "onnx"])
def test_the_memory_of_a_file_is_not_that_of_this_process(exported, engine_format):
    path = exported("post-norm", "fp32")[1] / f"classification-fp32.{engine_format}"
    assert 2**18 < peak_memory_bytes(path, length=48) < 2**26  # TensorFlow alone takes several times as much


def test_a_longer_text_takes_more(exported):
    path = exported("post-norm", "fp32")[1] / "classification-fp32.tflite"
    assert peak_memory_bytes(path, length=80) > peak_memory_bytes(path, length=1)


def test_what_cannot_be_run(tmp_path):
    (tmp_path / "strange.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(100))
    with pytest.raises(ExportError, match=r"cannot measure the memory of strange\.tflite: .*Error"):
        peak_memory_bytes(tmp_path / "strange.tflite", length=4)


def test_the_measured_process_has_no_tensorflow_in_it():
    code = "import sys, kerastx_export.peak_memory; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not re.search(r"\b(tensorflow|keras|onnx)\b", done.stdout)
