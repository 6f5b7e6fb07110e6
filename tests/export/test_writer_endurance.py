"""Files that write, used for long, by several threads, and wrongly."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import writing_checkpoints
from hypothesis import given, settings
from hypothesis import strategies as st

import kerastx
from kerastx.artifact import read_artifact, seal
from kerastx.errors import ArtifactError, KerastxError
from kerastx_export.export import export_checkpoint
from kerastx_export.tflite_graph import TfliteGraph

FILES = [(name, kind) for name in ("gpt2", "t5") for kind in ("tflite", "onnx")]
TEXTS = ["the cat", "", "a dog ran over the hill", "who", "the hill and the cat and a dog"]
HAS_PROC = Path("/proc/self/statm").exists()


@pytest.fixture(scope="module")
def writers(tmp_path_factory):
    """Files in 32 bits, opened: (name, format) -> writer."""
    root = tmp_path_factory.mktemp("endurance")
    found = {}
    for name in ("gpt2", "t5"):
        checkpoint = writing_checkpoints.seq2seq(name) if name == "t5" else writing_checkpoints.language_model(name)
        export_checkpoint(checkpoint, root / name, recipe="fp32")
        for kind in ("tflite", "onnx"):
            (path,) = (root / name).glob(f"*.{kind}")
            found[name, kind] = (path, kerastx.load(path))
    return found


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not HAS_PROC, reason="the memory of a process is read from /proc")
@pytest.mark.parametrize("file", FILES, ids="-".join)
def test_memory_is_flat_over_a_thousand_generations(writers, file):
    _, writer = writers[file]

    def write(count: int) -> None:
        for number, text in zip(range(count), itertools.cycle(TEXTS)):
            writer.generate(text, max_new_tokens=1 + number % 6, num_beams=1 + 2 * (number % 7 == 0))

    write(100)
    before = resident_bytes()
    write(1000)
    # Of the caches of a thousand texts, were they kept, there would be 40 MB and more.
    assert resident_bytes() - before < 8e6


@pytest.mark.parametrize("file", FILES, ids="-".join)
def test_threads_share_a_file(writers, file):
    _, writer = writers[file]
    expected = [writer.generate(text, max_new_tokens=8).token_ids for text in TEXTS]
    found: dict[int, list] = {}

    def write(number: int) -> None:
        # Pieces of one text between those of others, each with sizes of its own.
        streams = [writer.stream(text, max_new_tokens=8) for text in (TEXTS if number % 2 else TEXTS[::-1])]
        results = [None] * len(streams)
        while not all(results):
            for place, stream in enumerate(streams):
                piece = next(stream, None)
                results[place] = results[place] if isinstance(piece, str | None) else piece.token_ids or ("nothing",)
        found[number] = results if number % 2 else results[::-1]

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(4)] == [expected] * 4


@pytest.mark.parametrize("file", FILES, ids="-".join)
def test_a_closed_stream_computes_nothing_more(writers, file, monkeypatch):
    _, writer = writers[file]
    steps = 0
    step = type(writer.steps).step

    def counted(*args, **options):
        nonlocal steps
        steps += 1
        return step(*args, **options)

    monkeypatch.setattr(type(writer.steps), "step", counted)
    stream = writer.stream("the cat", max_new_tokens=10)
    next(stream)
    before = steps
    stream.close()
    assert steps == before < 10
    assert len(writer.generate("the cat", max_new_tokens=3).token_ids) <= 3


@pytest.mark.parametrize("file", FILES, ids="-".join)
def test_wrong_texts_and_settings(writers, file):
    _, writer = writers[file]
    assert writer.generate([]) == []
    for wrong in (["the", 3], [None], [b"the"]):
        with pytest.raises(TypeError, match="must be a string, got"):
            writer.generate(wrong)
    with pytest.raises(ValueError, match="temperature must be a number of at least 0"):
        writer.generate("the", temperature=-1)
    with pytest.raises(ValueError, match="beams look for the most probable text"):
        writer.stream("the", temperature=1.0, num_beams=2)


@settings(max_examples=25, deadline=None)
@given(text=st.text(max_size=10), beams=st.sampled_from([1, 2]), most=st.integers(1, 5))
def test_any_text_is_written_on(writers, text, beams, most):
    for _, writer in writers.values():
        found = writer.generate(text, num_beams=beams, max_new_tokens=most)
        assert 0 < len(found.token_ids) <= most
        assert found.finish in ("end", "length")


@pytest.mark.parametrize("file", FILES, ids="-".join)
def test_broken_files_are_told_in_one_line(writers, file, tmp_path):
    path, _ = writers[file]
    content = path.read_bytes()
    middle = len(content) // 2
    broken = {
        "cut": content[:middle],
        "altered": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "empty": b"",
    }
    for name, data in broken.items():
        target = tmp_path / f"{name}{path.suffix}"
        target.write_bytes(data)
        with pytest.raises(ArtifactError) as error:
            kerastx.load(target)
        assert str(target) in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_the_graph_of_another_model_is_refused(writers, kind, tmp_path):
    """The manifest of a language model around the graph of an encoder-decoder, and the other way round."""
    artifacts = {name: read_artifact(writers[name, kind][0]) for name in ("gpt2", "t5")}
    for manifest, graph in (("gpt2", "t5"), ("t5", "gpt2")):
        target = tmp_path / f"{manifest}.{kind}"
        values = vars(artifacts[manifest].manifest) | {"sha256": ""}
        own = artifacts[graph].content
        own = own[: own.index(b"PK\x03\x04")] if kind == "tflite" else own
        target.write_bytes(seal(own, type(artifacts[manifest].manifest)(**values), kind))
        with pytest.raises(KerastxError):
            kerastx.load(target)


def altered(path: Path, target: Path, change) -> Path:
    """Write a .tflite whose graph, a `schema.ModelT`, was changed in place; its seal is a good one."""
    artifact = read_artifact(path)
    graph = TfliteGraph(artifact.content[: artifact.content.index(b"PK\x03\x04")])
    change(graph.model)
    target.write_bytes(seal(graph.packed(), replace(artifact.manifest, sha256=""), "tflite"))
    return target


@pytest.mark.parametrize(("signature", "name"), [("step", "logits"), ("step", "new_key_0")])
def test_a_graph_that_lies_about_its_sizes_is_refused(writers, tmp_path, signature, name):
    def lie(model) -> None:
        entry = next(one for one in model.signatureDefs if one.signatureKey == signature.encode())
        place = next(one for one in entry.outputs if one.name == name.encode()).tensorIndex
        tensor = model.subgraphs[entry.subgraphIndex].tensors[place]
        tensor.shape = [*tensor.shape[:-1], 10]
        tensor.shapeSignature = [*tensor.shapeSignature[:-1], 10]

    path, _ = writers["gpt2", "tflite"]
    with pytest.raises(ArtifactError, match=r"not what it promises|expected .* in the graph, found|room for"):
        kerastx.load(altered(path, tmp_path / "lying.tflite", lie))


def test_files_without_the_signature_that_reorders_write_the_same_with_beams(writers, tmp_path):
    def drop(model) -> None:
        model.signatureDefs = [one for one in model.signatureDefs if one.signatureKey != b"reorder"]

    path, writer = writers["gpt2", "tflite"]
    older = kerastx.load(altered(path, tmp_path / "older.tflite", drop))
    options = {"num_beams": 3, "max_new_tokens": 8}
    expected = [one.token_ids for one in writer.generate(TEXTS, **options)]
    assert [one.token_ids for one in older.generate(TEXTS, **options)] == expected


def test_stderr_is_back_whoever_silences_it_at_once(tmp_path):
    """In a process of its own: a descriptor of this one that is lost would be lost for all tests."""
    program = """
import threading, time
from kerastx.runtime.engines.silence import silent_stderr

def silence(before, inside):
    time.sleep(before)
    with silent_stderr():
        print("silent", file=sys.stderr)
        time.sleep(inside)

import sys
threads = [threading.Thread(target=silence, args=times) for times in ((0, 0.2), (0.1, 0.3))]
[thread.start() for thread in threads], [thread.join() for thread in threads]
print("heard", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "heard\n"


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_file_is_opened_used_and_left_without_a_word(writers, kind):
    program = f"import kerastx; kerastx.load({str(writers['gpt2', kind][0])!r}).generate('the cat', num_beams=2)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
