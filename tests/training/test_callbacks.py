"""Callbacks on a model of one weight."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest

from kerastx.training.callbacks import (
    BatchLog,
    PeriodicSave,
    StopAtStep,
    StopOnNaN,
    Throughput,
    TimeBudget,
    TrainingLog,
    TrainingStoppedError,
    read_log,
    write_log,
)
from kerastx.training.optimizers import adamw


@pytest.fixture
def model():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="dense")(inputs))
    model.compile(adamw(0.01, total_steps=25), loss="mse", jit_compile=False)
    return model


def fit(model, callbacks, *, steps_per_epoch=10, epochs=10, value=1.0, initial_epoch=0):
    import tensorflow as tf

    batch = (np.full((4, 2), value, "float32"), np.ones((4, 1), "float32"))
    dataset = tf.data.Dataset.from_tensors(batch).repeat()
    return model.fit(
        dataset,
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        initial_epoch=initial_epoch,
        callbacks=callbacks,
        verbose=0,
        shuffle=False,
    )


def test_stops_at_the_total_in_the_middle_of_an_epoch(model):
    fit(model, [StopAtStep(model.optimizer._learning_rate)])
    assert int(model.optimizer.iterations) == 25


def test_saves_at_epochs_and_at_the_end_once_each(model):
    steps: list[int] = []
    fit(model, [StopAtStep(model.optimizer._learning_rate), PeriodicSave(steps.append, every=2)])
    assert steps == [20, 25]


def test_nan_names_the_step(model):
    with pytest.raises(TrainingStoppedError, match="not finite at step 1; lower the learning rate"):
        fit(model, [StopOnNaN()], value=float("nan"))


def test_a_time_budget_ends_the_run_in_time_and_lowers_the_rate_to_zero(model):
    schedule = model.optimizer._learning_rate
    schedule.total_steps = 10**6
    start = time.monotonic()
    fit(model, [TimeBudget(schedule, 1.5), StopAtStep(schedule)], epochs=10**6)
    elapsed = time.monotonic() - start
    steps = int(model.optimizer.iterations)
    assert steps == schedule.total_steps
    assert 20 < steps < 10**5
    assert elapsed > 1.0
    assert float(schedule(steps)) == 0.0


def test_a_time_budget_that_is_spent_ends_at_once(model):
    schedule = model.optimizer._learning_rate
    schedule.total_steps = 10**6
    fit(model, [TimeBudget(schedule, 5.0, seconds_done=60.0), StopAtStep(schedule)], epochs=10**6)
    assert int(model.optimizer.iterations) <= 2


def test_the_log_of_a_resumed_run_reads_like_an_unbroken_one(model, tmp_path):
    log = tmp_path / "training.csv"
    fit(model, [Throughput(8), TrainingLog(log)], epochs=2)
    rows = read_log(log)
    assert [int(row["step"]) for row in rows] == [10, 20]
    assert set(rows[0]) == {"step", "learning_rate", "loss", "tokens_per_second"}
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    model.optimizer.iterations.assign(10)  # as after loading the checkpoint of step 10
    fit(model, [TrainingLog(log)], epochs=3, initial_epoch=1)
    assert [int(row["step"]) for row in read_log(log)] == [10, 20, 30]
    assert read_log(log)[0] == rows[0]


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


def test_a_log_of_rows_that_lack_values_is_read_back(tmp_path):
    write_log(tmp_path / "log.csv", [{"step": 1, "loss": 0.5}, {"step": 2, "val_loss": 0.25}])
    assert read_log(tmp_path / "log.csv") == [
        {"step": "1", "loss": "0.5", "val_loss": ""},
        {"step": "2", "loss": "", "val_loss": "0.25"},
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]
