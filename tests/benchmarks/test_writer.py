from __future__ import annotations

import numpy as np
import pytest
from writer import SIZES, product_operations, prompts, random_weights, reference

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
