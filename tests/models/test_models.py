"""The task models: shapes, masks, the loss of the textbook, and learning."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from layer_contract import array

from kerastx.models.classifier import build_classifier
from kerastx.models.config import EncoderConfig
from kerastx.models.encoder import build_encoder
from kerastx.models.pretraining import build_pretrainer
from kerastx.training.losses import pretraining_losses
from kerastx.training.metrics import pretraining_metrics


def config(**changes) -> EncoderConfig:
    values = {"num_layers": 2, "hidden_dim": 16, "num_heads": 2, "intermediate_dim": 32, "max_sequence_length": 12}
    return EncoderConfig(vocabulary_size=30, **{**values, **changes})


def inputs(batch=3, length=7, seed=0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    lengths = np.arange(batch) % 3 + length - 2
    return {
        "token_ids": rng.integers(5, 30, (batch, length)).astype("int32"),
        "segment_ids": rng.integers(0, 2, (batch, length)).astype("int32"),
        "padding_mask": np.arange(length)[None] < lengths[:, None],
    }


@pytest.mark.parametrize("norm", ["post-norm", "pre-norm"])
def test_padding_cannot_leak(norm):
    model = build_encoder(config(norm=norm))
    batch = inputs()
    states = array(model(batch)["states"])
    other = {**batch, "token_ids": np.where(batch["padding_mask"], batch["token_ids"], 29).astype("int32")}
    other["segment_ids"] = np.where(batch["padding_mask"], batch["segment_ids"], 1).astype("int32")
    real = batch["padding_mask"]
    np.testing.assert_allclose(array(model(other)["states"])[real], states[real], atol=1e-5)


def test_a_row_answers_alike_alone_and_padded_in_a_batch():
    model = build_classifier(config(), num_classes=3)
    batch = inputs()
    together = array(model(batch)["logits"])
    for row in range(3):
        length = batch["padding_mask"][row].sum()
        alone = {name: value[row : row + 1, :length] for name, value in batch.items()}
        np.testing.assert_allclose(array(model(alone)["logits"])[0], together[row], atol=1e-5)


def test_pretraining_loss_is_the_formula():
    """L = -1/N Σ Σ y log ŷ over the real masked positions, N of them, in NumPy."""
    model = build_pretrainer(config(dropout_rate=0.0))
    batch = {**inputs(), "masked_positions": np.array([[1, 3], [2, 0], [4, 0]], "int32")}
    labels = np.array([[7, 8], [9, 0], [10, 0]], "int32")
    weights = np.array([[1, 1], [1, 0], [1, 0]], "float32")
    next_labels = np.array([0, 1, 1], "int32")
    model.compile("sgd", loss=pretraining_losses(), weighted_metrics=pretraining_metrics(), jit_compile=False)
    targets = {"masked_lm": labels, "next_sentence": next_labels}
    sample_weights = {"masked_lm": weights, "next_sentence": np.ones(3, "float32")}
    scores = model.evaluate(batch, targets, sample_weight=sample_weights, batch_size=3, verbose=0, return_dict=True)

    outputs = model.predict_on_batch(batch)
    logits = outputs["masked_lm"].astype("float64")
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    one_hot = np.eye(30)[labels]
    expected = -(one_hot * log_probabilities).sum(-1)[weights > 0].mean()
    next_logits = outputs["next_sentence"].astype("float64")
    next_log = next_logits - np.log(np.exp(next_logits).sum(-1, keepdims=True))
    next_expected = -next_log[np.arange(3), next_labels].mean()
    assert scores["masked_lm_loss"] == pytest.approx(expected, abs=1e-5)
    assert scores["next_sentence_loss"] == pytest.approx(next_expected, abs=1e-5)
    assert scores["loss"] == pytest.approx(expected + next_expected, abs=1e-5)
    assert scores["masked_lm_perplexity"] == pytest.approx(np.exp(expected), rel=1e-4)
    hits = (logits.argmax(-1) == labels)[weights > 0].mean()
    assert scores["masked_lm_accuracy"] == pytest.approx(hits, abs=1e-6)


def test_classifier_learns_a_rule():
    keras.utils.set_random_seed(1)
    model = build_classifier(config(dropout_rate=0.0), num_classes=2, dropout_rate=0.0)
    batch = inputs(batch=64, seed=4)
    labels = (batch["token_ids"][:, 1] > 17).astype("int32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss={"logits": loss}, jit_compile=False)
    history = model.fit(batch, {"logits": labels}, epochs=120, batch_size=32, verbose=0)
    assert history.history["loss"][-1] < 0.1 < 0.6 < history.history["loss"][0]


def test_saved_models_answer_alike(tmp_path):
    for name, model, batch in (
        ("classifier", build_classifier(config(), num_classes=2), inputs()),
        ("pretrainer", build_pretrainer(config()), {**inputs(), "masked_positions": np.zeros((3, 2), "int32")}),
    ):
        model.save(tmp_path / f"{name}.keras")
        loaded = keras.models.load_model(tmp_path / f"{name}.keras")
        for key, value in model.predict_on_batch(batch).items():
            np.testing.assert_allclose(loaded.predict_on_batch(batch)[key], value, atol=1e-6)


def test_half_precision_keeps_float32_logits():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = build_classifier(config(), num_classes=2)
    finally:
        keras.config.set_dtype_policy("float32")
    full = build_classifier(config(), num_classes=2)
    full.set_weights(half.get_weights())
    logits = half(inputs())["logits"]
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    # bfloat16 has 8 bits of mantissa; logits of a fresh model are of order 0.1.
    np.testing.assert_allclose(array(logits), array(full(inputs())["logits"]), atol=0.02)


def test_every_weight_has_its_own_path():
    for model in (build_classifier(config(), num_classes=2), build_pretrainer(config(norm="pre-norm"))):
        paths = [weight.path for weight in model.weights]
        assert len(set(paths)) == len(paths)
        assert not any(path.split("/")[0].rstrip("0123456789").endswith("_block") for path in paths)


def test_one_class_is_no_task():
    with pytest.raises(ValueError, match="at least 2 classes, got num_classes=1"):
        build_classifier(config(), num_classes=1)


def test_packed_sequences_answer_as_on_rows_of_their_own():
    """Block-diagonal attention and positions that restart: neighbours in a row do not matter."""
    config = EncoderConfig.preset("tiny", vocabulary_size=60)
    alone, packed = build_pretrainer(config), build_pretrainer(config, sequences_per_row=3)
    assert [w.path for w in packed.weights] == [w.path for w in alone.weights]
    packed.set_weights([np.random.default_rng(1).normal(0, 0.3, w.shape) for w in alone.weights])
    alone.set_weights(packed.get_weights())
    random = np.random.default_rng(2)
    lengths, total = (5, 9, 2), 20
    ids = [random.integers(5, 60, length).astype("int32") for length in lengths]
    starts = np.cumsum([0, *lengths])
    row = {name: np.zeros((1, total), "int32") for name in ("token_ids", "segment_ids", "positions", "sequence_ids")}
    for number, (start, tokens) in enumerate(zip(starts, ids, strict=False)):
        columns = slice(start, start + len(tokens))
        row["token_ids"][0, columns] = tokens
        row["segment_ids"][0, columns] = np.arange(len(tokens)) > 1
        row["positions"][0, columns] = np.arange(len(tokens))
        row["sequence_ids"][0, columns] = number + 1
    found = packed(
        {
            **row,
            "padding_mask": row["sequence_ids"] > 0,
            "masked_positions": (starts[:3] + 1)[None].astype("int32"),
            "first_positions": starts[:3][None].astype("int32"),
        }
    )
    for number, tokens in enumerate(ids):
        expected = alone(
            {
                "token_ids": tokens[None],
                "segment_ids": (np.arange(len(tokens)) > 1)[None].astype("int32"),
                "padding_mask": np.ones((1, len(tokens)), bool),
                "masked_positions": np.array([[1]], "int32"),
            }
        )
        for name, place in (
            ("masked_lm", expected["masked_lm"][0, 0]),
            ("next_sentence", expected["next_sentence"][0]),
        ):
            np.testing.assert_allclose(found[name][0, number], place, atol=2e-5)
