"""Callbacks on a model of one weight."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest

from kerastx.training.callbacks import (
    InputWait,
    PeriodicSave,
    StopAtStep,
    StopOnNaN,
    Throughput,
    TimeBudget,
    TrainingLog,
    TrainingStoppedError,
    read_log,
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


def test_nan_says_which_batch_it_was(model):
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(7)
    with pytest.raises(TrainingStoppedError, match="not finite at step 8 of batch 7; lower"):
        fit(model, [StopOnNaN(lambda batch: f" of batch {batch}")], value=float("nan"))


def test_steps_are_updates_when_batches_are_accumulated(model):
    model.compile(adamw(0.01, total_steps=6, accumulate=3), loss="mse", jit_compile=False)
    schedule, steps = model.optimizer._learning_rate, []
    batches = Counter()
    fit(model, [StopAtStep(schedule), PeriodicSave(steps.append), batches], steps_per_epoch=12)
    assert batches.count == 18
    assert steps == [4, 6]
    assert float(schedule(18)) == 0.0
    assert float(schedule(17)) > 0.0


class Counter(keras.callbacks.Callback):
    count = 0

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1


def test_saving_costs_its_share_of_the_time_and_no_more(model, monkeypatch):
    monkeypatch.setattr(PeriodicSave, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(PeriodicSave, "COST_SHARE", 0.2)
    steps: list[int] = []

    def save(step):
        steps.append(step)
        time.sleep(0.05)

    class Slow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            time.sleep(0.02)

    model.optimizer._learning_rate.total_steps = 10**6
    saving = PeriodicSave(save, every=None)
    fit(model, [Slow(), saving], steps_per_epoch=1, epochs=40)
    assert 2 < len(steps) < 20
    assert steps[0] == 1
    assert steps[-1] == 40
    assert saving.share < 0.3  # the first save comes before its cost is known


def test_waiting_for_batches_is_a_share_of_the_time(model):
    waited = iter(np.arange(100) * 1e-4)
    history = fit(model, [InputWait(lambda: float(next(waited)))], epochs=3)
    shares = history.history["wait_share"]
    assert len(shares) == 3
    assert all(0 < share < 1 for share in shares)


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
