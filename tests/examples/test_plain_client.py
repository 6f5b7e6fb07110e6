"""The client that knows nothing of kerastx writes what kerastx writes."""

from __future__ import annotations

import importlib.util

import pytest
import writing_checkpoints

import kerastx
from kerastx_export.export import export_checkpoint


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("client")
    for name in ("gpt2", "t5"):
        checkpoint = writing_checkpoints.seq2seq(name) if name == "t5" else writing_checkpoints.language_model(name)
        export_checkpoint(checkpoint, root / name, recipe="fp32")
    return root


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
@pytest.mark.parametrize("name", ["gpt2", "t5"])
@pytest.mark.parametrize("text", ["the cat", "a dog ran over the hill", ""])
def test_it_writes_what_kerastx_writes(repository, files, name, kind, text):
    (path,) = (files / name).glob(f"*.{kind}")
    spec = importlib.util.spec_from_file_location("plain_client", repository / "examples" / "plain_client.py")
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    assert client.main([str(path), text, "9"]) == kerastx.load(path).generate(text, max_new_tokens=9).text
