"""A file answers on a machine that has numpy, tokenizers and one engine, and none of what trained it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from small_classifier import small_texts

from kerastx.runtime.session import load

ANSWER = """
import sys, time
started = time.perf_counter()

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked: the runtime must do without it")

BLOCKED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Block())
import kerastx
answers = kerastx.load(sys.argv[2])(sys.argv[3:])
print(f"import, load and answer: {time.perf_counter() - started:.2f} s", file=sys.stderr)
assert not BLOCKED & set(sys.modules)
for answer in answers:
    print(answer.label, repr(answer.probability))
"""
HEAVY = "keras,tensorflow,tensorflow_text,torch,jax,sklearn,scipy,safetensors,h5py,onnx,tf2onnx,typer,rich,matplotlib"


@pytest.mark.parametrize(
    ("engine_format", "other_engine"),
    [("tflite", "onnxruntime"), ("onnx", "ai_edge_litert")],
)
def test_a_file_answers_without_what_trained_it(exported, engine_format, other_engine):
    path, texts = exported(engine_format), small_texts()[:4]
    command = [sys.executable, "-c", ANSWER, f"{HEAVY},{other_engine}", str(path), *texts]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stderr.splitlines()[-1])  # a time is shown, never asserted
    found = [
        (label, pytest.approx(float(value), abs=1e-6)) for label, value in map(str.split, done.stdout.splitlines())
    ]
    assert found == [(answer.label, answer.probability) for answer in load(path)(texts)]


def test_the_block_blocks(exported):
    command = [sys.executable, "-c", ANSWER, "onnxruntime", str(exported("onnx")), "text"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "pip install 'kerastx[onnx]'" in done.stderr
