"""Files that write with a shorter context, and with a whole text at one call."""

from __future__ import annotations

import numpy as np
import pytest
import writing_checkpoints
from ai_edge_litert.interpreter import Interpreter

import kerastx
from kerastx.artifact import read_artifact
from kerastx.errors import ExportError
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.step_decoder import left_padded
from kerastx_export.export import export_checkpoint
from kerastx_export.verify import verify

PROMPTS = ["the cat", "a dog ran over the hill", "who"]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_shorter_context_writes_the_same_until_it_is_full(tmp_path, name):
    checkpoint = writing_checkpoints.language_model(name)
    export_checkpoint(checkpoint, tmp_path / "files", recipe="fp32", context=9, inputs="ids")
    for kind in ("tflite", "onnx"):
        path = tmp_path / "files" / f"language_model-fp32.{kind}"
        writer = kerastx.load(path)
        (found,) = writer.generate(PROMPTS[:1])
        expected = checkpoint.generate(PROMPTS[0], max_new_tokens=len(found.token_ids))
        assert (found.token_ids, found.finish) == (expected.token_ids, "length")
        prompt = len(checkpoint.tokenizer.encode_ids(PROMPTS[:1])[0])
        assert prompt + len(found.token_ids) <= 9 < checkpoint.config.max_sequence_length
        with pytest.raises(ValueError, match="the model has room for 9 with what it writes"):
            writer.generate("the " * 12)
        assert "writes like its checkpoint" in verify(path, checkpoint).summary()


def test_the_shortest_context(tmp_path):
    checkpoint = writing_checkpoints.language_model("gpt2")
    report = export_checkpoint(checkpoint, tmp_path / "files", recipe="fp32", context=4, inputs="ids")
    for file in report.files:
        assert len(kerastx.load(tmp_path / "files" / file.name).generate("").token_ids) in (1, 2, 3)


def test_tables_of_positions_shrink_with_the_context(tmp_path):
    checkpoint = writing_checkpoints.language_model("gpt2")
    sizes = [
        export_checkpoint(
            checkpoint, tmp_path / str(context), formats=("tflite",), recipe="fp32", inputs="ids", context=context
        )
        .files[0]
        .size_bytes
        for context in (None, 12)
    ]
    config = checkpoint.config
    saved = 4 * config.hidden_dim * (config.max_sequence_length - 12)
    assert sizes[0] - sizes[1] == pytest.approx(saved, abs=256)


@pytest.mark.parametrize("name", ["gpt2", "t5"])
@pytest.mark.parametrize("recipe", ["fp32", "dynamic_wi8_afp32"])
def test_a_whole_text_at_one_call_is_that_of_steps(tmp_path, name, recipe):
    is_seq2seq = name == "t5"
    checkpoint = writing_checkpoints.seq2seq(name) if is_seq2seq else writing_checkpoints.language_model(name)
    export_checkpoint(checkpoint, tmp_path / "files", formats=("tflite",), recipe=recipe, loop=True)
    (path,) = (tmp_path / "files").glob("*.tflite")
    writer = kerastx.load(path)
    room = [3, 8, 6]
    beginnings, sources = writer.vocabularies.beginnings(PROMPTS, GenerationSettings(max_new_tokens=8))
    token_ids, positions = left_padded([one.token_ids for one in beginnings])
    given = {"token_ids": token_ids, "positions": positions, "max_new_tokens": np.array(room, np.int32)}
    if sources is not None:
        padded = writer.vocabularies.source_tokenizer.pad(sources)
        given |= {f"source_{key}": padded[key] for key in ("token_ids", "padding_mask")}
    found = Interpreter(model_content=read_artifact(path).content).get_signature_runner("generate")(**given)
    for row, (text, most) in enumerate(zip(PROMPTS, room, strict=True)):
        expected = writer.generate(text, max_new_tokens=most)
        written = found["written"][row]
        assert tuple(written[: found["lengths"][row]]) == expected.token_ids
        assert not written[found["lengths"][row] :].any()
        assert found["log_probabilities"][row] == pytest.approx(expected.log_probability, abs=2e-3)


def test_the_loop_shares_its_weights_with_the_step(tmp_path):
    checkpoint = writing_checkpoints.language_model("gpt2")
    sizes = [
        export_checkpoint(checkpoint, tmp_path / str(loop), formats=("tflite",), recipe="fp32", loop=loop)
        .files[0]
        .size_bytes
        for loop in (False, True)
    ]
    weights = 4 * checkpoint.model.count_params()
    assert sizes[1] - sizes[0] < weights / 2 + 60_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": 3}, "a context of 3 tokens was asked for; this model can have 4 to"),
        ({"context": 10_000}, "a context of 10000 tokens was asked for; this model can have 4 to"),
        ({"loop": True, "formats": ("onnx",)}, "a loop is for .tflite files: --formats tflite"),
    ],
)
def test_what_cannot_be(tmp_path, options, message):
    with pytest.raises(ExportError, match=message):
        export_checkpoint(writing_checkpoints.language_model("gpt2"), tmp_path / "files", **options)
    assert not (tmp_path / "files").exists()
