from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import translator
from contest import agreement
from writer import (
    NEW_TOKENS,
    SIZES,
    beginnings,
    next_logits,
    product_operations,
    prompts,
    random_weights,
    reference,
    some,
)

from kerastx.checkpoint.weights import assign_weights
from kerastx.models.decoder_config import LanguageModelConfig
from kerastx.models.language_model import LanguageModel
from kerastx.models.steps import Steps
from kerastx.runtime.step_decoder import left_padded

SMALL = {**SIZES, "vocabulary_size": 200, "hidden_dim": 64, "num_layers": 2, "num_heads": 4, "intermediate_dim": 256}


@pytest.fixture(scope="module")
def steps() -> Steps:
    model = LanguageModel(LanguageModelConfig.preset("gpt2-tiny", **SMALL))
    assign_weights(model.weights, random_weights(SMALL), source="the shared weights")
    return Steps(model)


def test_our_texts_are_those_of_the_reference(steps):
    weights = random_weights(SMALL)
    for prompt in prompts(SMALL, 9):
        ((tokens, _),) = steps.greedy(*left_padded([prompt.tolist()]), source={}, room=np.array([20]))
        assert tokens == reference(weights, SMALL, prompt, 20)
        assert len(set(tokens)) > 5  # no one token again and again, which any model would write


@pytest.mark.parametrize("name", ["decoder_norm/gamma", "decoder_block_1/attention/qkv/kernel"])
def test_other_weights_write_other_texts(name):
    weights = random_weights(SMALL)
    (prompt, _) = prompts(SMALL, 9)
    reversed_ = {**weights, name: weights[name][..., ::-1]}
    assert reference(reversed_, SMALL, prompt, 20) != reference(weights, SMALL, prompt, 20)


def test_operations_are_those_of_tokens_that_are_computed_once():
    one = {"hidden_dim": 2, "intermediate_dim": 3, "num_layers": 1, "vocabulary_size": 5}
    # Two tokens are read: projections 8 x 4, feed-forward 4 x 6; attention to 1 and to 2 of them; one row of logits.
    assert product_operations(one, length=2, new_tokens=1) == 2 * (32 + 24) + 3 * 8 + 20


def test_logits_behind_a_beginning_choose_the_token_of_the_reference():
    weights = random_weights(SMALL)
    (prompt, _) = prompts(SMALL, 9)
    assert next_logits(weights, SMALL, prompt).argmax() == reference(weights, SMALL, prompt, 1)[0]


def test_beginnings_grow_and_some_logits_have_no_mean():
    rows = beginnings(SIZES, rows=3)
    assert [len(row) for row in rows] == [32, 38, 44]
    assert all((rows[2][: len(row)] == row).all() for row in rows)
    few = np.array(some(np.arange(64.0).reshape(2, 32)))
    assert few.tolist() == [[-15.5, 0.5], [-15.5, 0.5]]


@pytest.fixture
def answers_of(tmp_path, monkeypatch):
    """Return a function that makes our files of a task and lets one of them answer."""
    for folder in ("makers", "contestants"):
        monkeypatch.syspath_prepend(Path(__file__).with_name(folder))
    from kerastx_writer import KerastxWriter
    from writer_files import main

    def answers(task: str, sizes: dict, file: str, kind: str, case: str) -> list:
        if not (tmp_path / "ours").exists():
            main(tmp_path, task, sizes)
        path = str(tmp_path / "ours" / f"{task}-{file}")
        options = {"path": path, "folder": str(tmp_path), "sizes": sizes, "task": task, "answers": kind}
        return KerastxWriter(options).answer(case)

    return answers


def test_our_files_write_the_texts_of_the_reference(answers_of):
    weights = random_weights(SMALL)
    tokens = [reference(weights, SMALL, prompt, NEW_TOKENS) for prompt in prompts(SMALL)]
    logits = some(np.stack([next_logits(weights, SMALL, row) for row in beginnings(SMALL)]))
    for kind in ("tflite", "onnx"):
        assert answers_of("language_model", SMALL, f"fp32.{kind}", "tokens", "greedy") == tokens
        found = answers_of("language_model", SMALL, f"dynamic_wi8_afp32.{kind}", "logits", "greedy")
        assert agreement(found, logits).cosine > 0.998


def test_our_files_translate_as_keras_does(answers_of, tmp_path):
    sizes = {**translator.SIZES, **{name: SMALL[name] for name in ("vocabulary_size", "hidden_dim", "num_heads")}}
    sizes |= {"num_layers": 2, "intermediate_dim": 128}
    for kind in ("tflite", "onnx"):
        for case in ("greedy", "beams"):
            found = answers_of("seq2seq", sizes, f"fp32.{kind}", "tokens", case)
            assert found == translator.read(tmp_path)[case]
        found = answers_of("seq2seq", sizes, f"dynamic_wi8_afp32.{kind}", "logits", "greedy")
        assert agreement(found, translator.read(tmp_path)["log_probabilities"]).cosine > 0.998
