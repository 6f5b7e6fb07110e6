"""Models of transformers that write: the same token ids, logits and texts here, and nothing lost on the way."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest

from kerastx.checkpoint.huggingface import load_huggingface
from kerastx.checkpoint.store import load_checkpoint, save_checkpoint
from kerastx.layers.kv_cache import token_positions
from kerastx.runtime.generation_settings import GenerationSettings

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "writers"
FOLDERS = sorted(folder.name for folder in GOLDEN.iterdir())
TASKS = {"gpt2": "language_model", "llama": "language_model", "smollm": "language_model", "qwen2": "language_model"}
NEW_TOKENS = 12


@functools.cache
def loaded(name):
    return load_huggingface(GOLDEN / name)


def written(name):
    return json.loads((GOLDEN / name / "writing.json").read_text(encoding="utf-8"))


def golden(name):
    """Return the inputs of the model, and the logits of transformers where there are tokens."""
    arrays = np.load(GOLDEN / name / "writing.npz", allow_pickle=False)
    inputs = {key: arrays[key] for key in arrays.files if key != "logits"}
    inputs = {key: array.astype("bool" if key.endswith("mask") else "int32") for key, array in inputs.items()}
    return inputs, arrays["logits"]


def mask_of(inputs):
    return inputs.get("padding_mask", inputs.get("target_padding_mask"))


@pytest.mark.parametrize("name", FOLDERS)
def test_the_logits_of_transformers(name):
    inputs, expected = golden(name)
    checkpoint = loaded(name)
    assert checkpoint.task == TASKS.get(name.partition("-")[0], "seq2seq")
    found = checkpoint.model.predict_on_batch(inputs)["logits"]
    mask = mask_of(inputs)
    np.testing.assert_allclose(found[mask], expected[mask], atol=1e-4)


@pytest.mark.parametrize("name", FOLDERS)
def test_rows_that_are_padded_on_the_left(name):
    inputs, expected = golden(name)
    order = np.argsort(mask_of(inputs), axis=1, kind="stable")
    ours = {
        key: array if key.startswith("source") else np.take_along_axis(array, order, axis=1)
        for key, array in inputs.items()
    }
    found = loaded(name).model.predict_on_batch(ours)["logits"]
    np.testing.assert_allclose(found[mask_of(ours)], expected[mask_of(inputs)], atol=1e-4)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_prompt_and_then_one_token_at_a_time(name):
    inputs, expected = golden(name)
    model, mask = loaded(name).model, mask_of(inputs)
    token_ids = inputs.get("token_ids", inputs.get("target_token_ids"))
    positions = np.array(token_positions(mask))
    source = {}
    if "source_token_ids" in inputs:
        sources = (inputs["source_token_ids"], inputs["source_padding_mask"])
        source = {"sources": model.encode(*sources), "source_padding_mask": sources[1]}
    cache = model.initial_cache(len(token_ids), token_ids.shape[1])
    logits, cache = model.step(token_ids[:, :2], positions[:, :2], cache, first_slot=0, **source)
    np.testing.assert_allclose(logits, expected[:, 1], atol=1e-4)
    for place in range(2, token_ids.shape[1]):
        now = slice(place, place + 1)
        logits, cache = model.step(token_ids[:, now], positions[:, now], cache, first_slot=place, **source)
        np.testing.assert_allclose(np.array(logits)[mask[:, place]], expected[mask[:, place], place], atol=1e-4)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_token_ids_of_transformers(name, tmp_path):
    checkpoint = loaded(name)
    reader = checkpoint.source_tokenizer or checkpoint.tokenizer
    for again in (reader, type(reader).from_json(reader.to_json())):
        for row in written(name)["texts"]:
            encoding = again.encode(row["text"])
            assert encoding.token_ids.tolist() == row["token_ids"], row["text"]
            assert not encoding.segment_ids.any()


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("num_beams", [1, 4])
def test_the_texts_of_transformers(name, num_beams):
    expected = written(name)
    # What transformers forces to be written first is a part of the beginning here.
    begun = len(loaded(name).tokenizer.begin_ids) - 1
    settings = GenerationSettings(num_beams=num_beams, max_new_tokens=NEW_TOKENS - begun)
    found = loaded(name).generate(expected["prompts"], settings=settings)
    rows = expected["greedy" if num_beams == 1 else "beams"]
    assert [list(one.token_ids) for one in found] == [row[begun:] for row in rows]


@pytest.mark.parametrize("name", FOLDERS)
def test_our_own_checkpoint_of_it_writes_the_same(name, tmp_path):
    checkpoint = loaded(name)
    again = load_checkpoint(save_checkpoint(tmp_path / "ours", checkpoint))
    assert (again.task, again.config, again.max_length) == (checkpoint.task, checkpoint.config, checkpoint.max_length)
    for ours, theirs in (
        (again.tokenizer, checkpoint.tokenizer),
        (again.source_tokenizer or again.tokenizer, checkpoint.source_tokenizer or checkpoint.tokenizer),
    ):
        assert (ours.begin_ids, ours.end_ids, ours.special_ids, ours.template, ours.sha256) == (
            theirs.begin_ids,
            theirs.end_ids,
            theirs.special_ids,
            theirs.template,
            theirs.sha256,
        )
    assert again.generate(["The owner"], max_new_tokens=5) == checkpoint.generate(["The owner"], max_new_tokens=5)
