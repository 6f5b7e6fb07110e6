"""Every verb explains itself with an example, at once: no TensorFlow is imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

VERBS = [
    "prepare",
    "inspect",
    "pretrain",
    "finetune",
    "finetune classify",
    "finetune pair",
    "import",
    "evaluate",
    "export",
    "run",
    "generate",
    "translate",
    "summarize",
    "score",
    "verify",
    "demo",
]
BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        blocked = {"tensorflow", "keras", "tensorflow_text", "onnx", "sklearn", "safetensors", "matplotlib"}
        if name.split(".")[0] in blocked:
            raise ImportError(name + " was imported for --help")
sys.meta_path.insert(0, Block())
from kerastx.cli.app import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("verb", VERBS)
def test_help(verb):
    arguments = [sys.executable, "-c", BLOCKED, *verb.split(), "--help"]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    if verb != "finetune":
        assert "Example" in result.stdout
        assert f"kerastx {verb}" in " ".join(result.stdout.split())


def test_version_is_told():
    result = subprocess.run(
        [sys.executable, "-c", BLOCKED, "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stdout.startswith("kerastx 0.")
