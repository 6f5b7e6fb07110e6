"""Files that write: the tokens of Keras, in both runtimes, with one cache after the other."""

from __future__ import annotations

import json
import subprocess
import sys

import generating_models
import pytest
import writing_checkpoints

import kerastx
from kerastx.artifact import read_artifact, seal
from kerastx.checkpoint.store import Checkpoint
from kerastx.errors import ArtifactError, ExportError
from kerastx.runtime import Writer
from kerastx.runtime.decoding import GeneratedText
from kerastx.runtime.session import load as load_session
from kerastx_export.export import export_checkpoint
from kerastx_export.tflite_graph import TfliteGraph

PROMPTS = ["the cat", "", "a dog ran over the hill", "who"]
WAYS = {
    "greedy": {},
    "beams": {"num_beams": 4},
    "drawn": {"temperature": 1.0, "top_p": 0.9, "seed": 3},
    "no repeats": {"no_repeat_ngram": 1, "repetition_penalty": 1.3},
}
FILES = [("gpt2", "tflite"), ("gpt2", "onnx"), ("t5", "tflite"), ("t5", "onnx")]


def checkpoint_of(name: str):
    return writing_checkpoints.seq2seq("t5") if name == "t5" else writing_checkpoints.language_model(name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files in 32 bits: NAME/TASK-fp32.FORMAT."""
    root = tmp_path_factory.mktemp("writers")
    for name in ("gpt2", "t5"):
        export_checkpoint(checkpoint_of(name), root / name, recipe="fp32")
    return root


def path_of(folder, name: str, kind: str):
    return next((folder / name).glob(f"*-fp32.{kind}"))


@pytest.mark.parametrize(("name", "kind"), FILES)
@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_a_file_writes_what_keras_writes(folder, name, kind, options):
    writer = kerastx.load(path_of(folder, name, kind))
    assert isinstance(writer, Writer)
    expected = checkpoint_of(name).generate(PROMPTS, max_new_tokens=12, **options)
    for one, other in zip(writer.generate(PROMPTS, max_new_tokens=12, **options), expected, strict=True):
        assert (one.text, one.token_ids, one.finish) == (other.text, other.token_ids, other.finish)
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-3)


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_a_cache_grows_and_a_long_prompt_comes_in_pieces(monkeypatch, folder, name, kind):
    writer = kerastx.load(path_of(folder, name, kind))
    expected = [one.token_ids for one in writer.generate(PROMPTS, max_new_tokens=12)]
    monkeypatch.setattr("kerastx.runtime.step_decoder.SLOTS", 2)
    monkeypatch.setattr("kerastx.runtime.step_decoder.PIECE", 3)
    assert [one.token_ids for one in writer.generate(PROMPTS, max_new_tokens=12)] == expected


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_pieces_are_the_text(folder, name, kind):
    writer = kerastx.load(path_of(folder, name, kind))
    *pieces, result = writer.stream("the cat", max_new_tokens=8)
    assert isinstance(result, GeneratedText)
    assert "".join(pieces) == result.text == writer("the cat").text[: len(result.text)]


def test_the_report_says_how_close_files_are(folder):
    report = json.loads((folder / "gpt2" / "report.json").read_text())
    assert [file["engine_format"] for file in report["files"]] == ["tflite", "onnx"]
    for file in report["files"]:
        assert file["parity"]["max_difference"] < 1e-3
        assert file["parity"]["perplexity"] == pytest.approx(file["parity"]["keras_perplexity"], rel=1e-4)
        assert file["parity"]["same_best"] == 1.0
    text = (folder / "gpt2" / "report.md").read_text()
    assert "log-probabilities from Keras" in text
    assert "takes ids only" not in text


def test_files_in_8_bits_are_smaller_and_close(tmp_path):
    checkpoint = writing_checkpoints.language_model("llama")
    report = export_checkpoint(checkpoint, tmp_path / "files", recipe="dynamic_wi8_afp32")
    for file in report.files:
        assert file.parity.mean_cosine > 0.99
        assert file.parity.perplexity == pytest.approx(file.parity.keras_perplexity, rel=0.05)
        assert len(kerastx.load(tmp_path / "files" / file.name).generate("the cat", max_new_tokens=5).token_ids) == 5


def test_a_table_that_is_tied_is_in_a_file_once(tmp_path):
    model = generating_models.language_model("gpt2", vocabulary_size=900, hidden_dim=64, max_sequence_length=24)
    checkpoint = Checkpoint(
        model=model, tokenizer=writing_checkpoints.words(), config=model.config, task="language_model", max_length=24
    )
    (file,) = export_checkpoint(checkpoint, tmp_path / "files", formats=("tflite",)).files
    assert file.parity.same_best > 0.9
    parsed = TfliteGraph((tmp_path / "files" / file.name).read_bytes()).model
    tables = [tensor for graph in parsed.subgraphs for tensor in graph.tensors if list(tensor.shape) == [900, 64]]
    with_data = [tensor for tensor in tables if parsed.buffers[tensor.buffer].data is not None]
    assert len(with_data) == 2  # one is looked up in, one multiplied with
    assert len({tensor.buffer for tensor in with_data}) == 1


WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None
from kerastx.cli.app import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_the_command_line_writes_without_tensorflow(folder, name, kind):
    verb = "translate" if name == "t5" else "generate"
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, verb, str(path_of(folder, name, kind)), "the cat", "--json"]
    done = subprocess.run([*command, "--max-new-tokens", "6"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = checkpoint_of(name).generate("the cat", max_new_tokens=6)
    assert json.loads(done.stdout)["written"] == expected.text


def test_what_it_is_not_for(folder, tmp_path):
    file = path_of(folder, "gpt2", "tflite")
    with pytest.raises(ArtifactError, match="writes texts; use kerastx generate, or kerastx.load in Python"):
        load_session(file)
    writer = kerastx.load(file)
    with pytest.raises(ValueError, match="prompt 1 has 41 tokens, and the model has room for 24"):
        writer.generate(["the", "the " * 40])
    with pytest.raises(ValueError, match="unknown settings topk"):
        writer.generate("the", topk=3)
    with pytest.raises(ExportError, match="goes on from ids, which it wrote itself; export with --input both"):
        export_checkpoint(checkpoint_of("gpt2"), tmp_path / "files", inputs="text")


def test_a_manifest_that_does_not_belong_to_the_graph(folder, tmp_path):
    file = path_of(folder, "t5", "tflite")
    artifact = read_artifact(file)
    graph = artifact.content[: artifact.content.rindex(b"PK\x03\x04")]
    for changes, message in (
        ({"task": "language_model"}, "a language_model file with a graph that reads sources"),
        ({"model": {**artifact.manifest.model, "max_sequence_length": "many"}}, "room for 'many'"),
        ({"tokenizer": "{}"}, "its tokenizer cannot be read"),
        ({"source_tokenizer": "[]"}, "its tokenizer cannot be read"),
    ):
        altered = tmp_path / "altered.tflite"
        values = {**vars(artifact.manifest), **changes, "sha256": ""}
        altered.write_bytes(seal(graph, type(artifact.manifest)(**values), "tflite"))
        with pytest.raises(ArtifactError, match=message):
            kerastx.load(altered)
