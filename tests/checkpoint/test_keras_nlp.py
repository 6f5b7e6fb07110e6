"""Backbones of keras-nlp answer here as they do there."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerastx.checkpoint.keras_nlp import from_keras_nlp
from kerastx.checkpoint.store import load_checkpoint, save_checkpoint
from kerastx.errors import CheckpointError

keras_nlp = pytest.importorskip("keras_nlp", reason="keras-nlp is not installed: pip install 'kerastx[keras-nlp]'")

SIZES = {
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 24,
    "max_sequence_length": 20,
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "sat", "a"]


def backbone(name, vocabulary_size=60):
    keras.utils.set_random_seed(3)
    found = getattr(keras_nlp.models, name)(vocabulary_size=vocabulary_size, **SIZES)
    noise = np.random.default_rng(1)
    for variable in found.weights:
        variable.assign(variable.numpy() + noise.normal(0, 0.3, variable.shape))
    return found


def inputs(segments):
    token_ids = np.random.default_rng(0).integers(0, 60, (3, 11)).astype("int32")
    mask = np.arange(11) < np.array([11, 6, 2])[:, None]
    segment_ids = (np.arange(11) >= 4).astype("int32") * mask * segments
    return {"token_ids": token_ids, "segment_ids": segment_ids.astype("int32"), "padding_mask": mask}


@pytest.mark.parametrize("name", ["BertBackbone", "DistilBertBackbone", "RobertaBackbone"])
def test_the_same_states(name):
    source = backbone(name)
    checkpoint = from_keras_nlp(source)
    values = inputs(segments=name == "BertBackbone")
    theirs = source.predict_on_batch({key: values[key].astype("int32") for key in source.input})
    found = checkpoint.model.predict_on_batch(values)
    real = values["padding_mask"]
    if name == "BertBackbone":
        np.testing.assert_allclose(found["pooled"], theirs["pooled_output"], atol=1e-4)
        theirs = theirs["sequence_output"]
    np.testing.assert_allclose(found["states"][real], theirs[real], atol=1e-4)


def test_with_its_tokenizer_it_is_a_checkpoint_like_any_other(tmp_path):
    tokenizer = keras_nlp.models.BertTokenizer(vocabulary=WORDS, lowercase=True)
    checkpoint = from_keras_nlp(backbone("BertBackbone", len(WORDS)), tokenizer)
    assert checkpoint.tokenizer.encode("The cats sat").token_ids.tolist() == [2, 5, 6, 7, 8, 3]
    again = load_checkpoint(save_checkpoint(tmp_path / "ours", checkpoint))
    assert again.config == checkpoint.config


def test_without_a_tokenizer_it_says_so(tmp_path):
    checkpoint = from_keras_nlp(backbone("BertBackbone"))
    with pytest.raises(CheckpointError, match=r"came without a tokenizer; from_keras_nlp\(backbone, tokenizer=...\)"):
        save_checkpoint(tmp_path / "ours", checkpoint)
    assert list(tmp_path.iterdir()) == []


def test_another_backbone():
    with pytest.raises(CheckpointError, match="expected one of BertBackbone, .* got Sequential"):
        from_keras_nlp(keras.Sequential())
