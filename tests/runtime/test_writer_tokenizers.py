"""Files that write have their tokenizers inside: without the library they write what they write with it."""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_backends import VARIED
from writer_texts import CHECKPOINTS, GOLDEN, without_library

import kerastx
from kerastx.artifact import read_artifact, seal
from kerastx.errors import ArtifactError, MissingExtraError
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.writer_tokenizers import FileTokenizer
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.export import export_checkpoint

PROMPTS = ["the cat", "", "The naïve 今天 😍 owner", " who\n"]
FILES = [(name, kind) for name in CHECKPOINTS for kind in ("tflite", "onnx")]
LONG = "The owner of the old café paid, they'll say; the cat sat! 今天天气很好。 😍 " * 40
WAYS = {
    "greedy": {},
    "beams": {"num_beams": 3},
    "drawn": {"temperature": 1.0, "top_p": 0.9, "seed": 3},
    "stopped": {"stop": ("e", "a")},
}


@pytest.fixture(scope="module")
def path_of(tmp_path_factory):
    root = tmp_path_factory.mktemp("writers")

    @functools.cache
    def folder(name):
        export_checkpoint(CHECKPOINTS[name](), root / name, recipe="fp32", inputs="both")
        return root / name

    def path(name, kind):
        return next(folder(name).glob(f"*.{kind}"))

    return path


@pytest.fixture(params=FILES, ids="-".join)
def both(request, monkeypatch, path_of):
    """The same file with and without the library."""
    path = path_of(*request.param)
    return kerastx.load(path), without_library(monkeypatch, path)


def test_the_library_counts_where_it_is(both):
    with_library, without = both
    assert type(with_library.tokenizer) is Tokenizer
    assert type(without.tokenizer) is FileTokenizer


@pytest.mark.parametrize("way", WAYS)
def test_the_same_texts_are_written(both, way):
    expected, found = (writer.generate(PROMPTS, max_new_tokens=10, **WAYS[way]) for writer in both)
    assert found == expected


@pytest.mark.parametrize("way", sorted(WAYS))
def test_the_same_pieces_are_shown(both, way):
    for prompt in PROMPTS:
        expected, found = (list(writer.stream(prompt, max_new_tokens=10, **WAYS[way])) for writer in both)
        assert found == expected


def readings(writer, text):
    """What a writer makes of a text before it writes, or why it does not."""
    try:
        begun, sources = writer.vocabularies.beginnings([text], GenerationSettings())
    except ValueError as error:
        return str(error)
    return begun, None if sources is None else sources[0].token_ids.tolist()


def test_texts_of_every_kind_are_read_alike(both):
    with_library, without = both
    for text in (*VARIED, LONG, LONG[:120], "zeros\0\0"):
        assert readings(without, text) == readings(with_library, text), text


WORDS = st.sampled_from(["the ", "cat", "naïve ", "今天", "don't ", "'s", " 3.5", "😍 ", "\n", "é ", "\x00", "xyzzy "])


@given(text=st.lists(WORDS | st.text(max_size=5), max_size=60).map("".join))
@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize(("name", "kind"), FILES)
def test_any_text_is_read_alike(opened_twice, name, kind, text):
    with_library, without = opened_twice(name, kind)
    assert readings(without, text) == readings(with_library, text)


@pytest.fixture(scope="module")
def opened_twice(path_of):
    @functools.cache
    def pair(name, kind):
        with pytest.MonkeyPatch.context() as patch:
            return kerastx.load(path_of(name, kind)), without_library(patch, path_of(name, kind))

    return pair


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_prompt_that_does_not_fit_is_an_error_without_the_library_too(monkeypatch, path_of, kind):
    writer = without_library(monkeypatch, path_of("gpt2", kind))
    with pytest.raises(ValueError, match=r"prompt 1 has \d{4} tokens, and the model has room for 48"):
        writer.generate(["the", LONG * 3])


COMMAND = """
import sys
for name in ("tokenizers", "tensorflow", "keras"):
    sys.modules[name] = None
from kerastx.cli.app import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
@pytest.mark.parametrize(("name", "verb"), [("gpt2", "generate"), ("bart", "translate"), ("wordpiece", "generate")])
def test_the_command_line_writes_with_nothing_installed(path_of, name, verb, kind):
    path = path_of(name, kind)
    command = [sys.executable, "-c", COMMAND, verb, str(path), PROMPTS[2], "--json", "--max-new-tokens", "9"]
    for options in ((), ("--beams", "3")):
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        expected = kerastx.load(path).generate(PROMPTS[2], max_new_tokens=9, num_beams=3 if options else 1)
        assert json.loads(done.stdout)["written"] == expected.text


@pytest.mark.parametrize(("name", "kind"), [("t5", "tflite"), ("llama", "tflite"), ("llama", "onnx")])
def test_a_file_without_its_tokenizer_says_what_it_lacks(monkeypatch, tmp_path, name, kind):
    export_checkpoint(kerastx.load(str(GOLDEN / name)), tmp_path / "files", formats=(kind,), recipe="fp32")
    (path,) = (tmp_path / "files").glob(f"*.{kind}")
    assert read_artifact(path).manifest.detokenizer["kind"] == "pieces"
    message = "tokenizers is needed .* or export with --input both: such a file needs none"
    with pytest.raises(MissingExtraError, match=message):
        without_library(monkeypatch, path)


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_targets_of_a_vocabulary_that_the_graph_does_not_read(monkeypatch, path_of, kind):
    writer = without_library(monkeypatch, path_of("two-vocabularies", kind))
    with pytest.raises(MissingExtraError, match=r"pip install 'kerastx\[tokenizers\]'"):
        writer.tokenizer.encode_ids(["the cat"])
    shared = without_library(monkeypatch, path_of("bart", kind)).tokenizer.encode_ids(["the cat"])
    expected = kerastx.load(path_of("bart", kind)).tokenizer.encode_ids(["the cat"])
    assert shared[0].tolist() == expected[0].tolist()


WRONG = {
    "text promises 999 bytes, the graph takes 512": {"text": {"budget": 999}},
    "text is of a graph of 47 tokens, the file says 39": {"model": {"max_sequence_length": 40}},
    "its detokenizer has end_ids that are no tokens": {"detokenizer": {"end_ids": [10**6]}},
    "text has the kind 'letters'": {"text": {"kind": "letters"}},
}


@pytest.mark.parametrize("message", WRONG)
def test_entries_that_do_not_belong_to_the_graph(monkeypatch, path_of, tmp_path, message):
    artifact = read_artifact(path_of("gpt2", "tflite"))
    graph = artifact.content[: artifact.content.index(b"PK\x03\x04")]
    values = {**vars(artifact.manifest), "sha256": ""}
    for name, changes in WRONG[message].items():
        values[name] = {**values[name], **changes}
    altered = tmp_path / "altered.tflite"
    altered.write_bytes(seal(graph, type(artifact.manifest)(**values), "tflite"))
    with pytest.raises(ArtifactError, match=message):
        without_library(monkeypatch, altered)
