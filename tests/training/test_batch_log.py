from __future__ import annotations

import keras
import numpy as np
import pytest

from kerastx.training.batch_log import BatchLog
from kerastx.training.optimizers import adamw


def build_model(accumulate: int = 1) -> keras.Model:
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="dense")(inputs))
    model.compile(adamw(0.01, total_steps=25, accumulate=accumulate), loss="mse", jit_compile=False)
    return model


@pytest.fixture
def model() -> keras.Model:
    return build_model()


class Batches(keras.callbacks.Callback):
    """Keep the loss of every batch, from the means since the epoch began."""

    def on_epoch_begin(self, epoch, logs=None):
        self.seen, self.total = 0, 0.0

    def __init__(self, sizes):
        super().__init__()
        self.sizes = sizes
        self.losses: list[float] = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen += self.sizes[batch]
        total = logs["loss"] * self.seen
        self.losses.append((total - self.total) / self.sizes[batch])
        self.total = total


def test_rows_within_an_epoch_are_means_of_their_own_batches(model):
    x = np.random.default_rng(2).normal(size=(18, 2)).astype("float32")
    y = np.arange(18, dtype="float32")[:, None]
    log, batches = BatchLog(num_examples=18, batch_size=4, rows_per_epoch=2), Batches([4, 4, 4, 4, 2])
    model.fit(
        x, y, batch_size=4, epochs=2, shuffle=False, callbacks=[log, batches], verbose=0, validation_data=(x[:4], y[:4])
    )
    assert [row["step"] for row in log.rows] == [3, 5, 8, 10]
    losses = np.array(batches.losses)
    expected = [losses[:3].mean(), (4 * losses[3] + 2 * losses[4]) / 6]
    np.testing.assert_allclose([row["loss"] for row in log.rows[:2]], expected, rtol=1e-4)  # differences of float32
    assert ["val_loss" in row for row in log.rows] == [False, True, False, True]
    assert log.rows[0]["learning_rate"] > 0


def test_an_epoch_of_few_batches_has_a_row_for_each(model):
    log = BatchLog(num_examples=6, batch_size=4)
    model.fit(np.ones((6, 2)), np.ones((6, 1)), batch_size=4, shuffle=False, callbacks=[log], verbose=0)
    assert [row["step"] for row in log.rows] == [1, 2]


def test_batches_that_make_one_update_make_one_row():
    log = BatchLog(num_examples=24, batch_size=4)
    build_model(accumulate=3).fit(
        np.ones((24, 2)), np.ones((24, 1)), batch_size=4, shuffle=False, callbacks=[log], verbose=0, epochs=2
    )
    steps = [row["step"] for row in log.rows]
    assert steps == sorted(set(steps))
    assert steps[-1] in (4, 5)
