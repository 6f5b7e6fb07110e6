"""What TensorFlow's own reader finds in the event files."""

from __future__ import annotations

import shutil
import time

import keras
import numpy as np
import pytest

from kerastx.training.callbacks import TrainingLog, read_log
from kerastx.training.event_file import EventLog, write_events
from kerastx.training.optimizers import adamw


def read_events(folder) -> list:
    """Return the events of the one event file of a folder; TensorFlow checks the checksums."""
    import tensorflow as tf

    (file,) = folder.iterdir()
    return [tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]


def scalars(folder) -> list[tuple[int, dict[str, float]]]:
    return [
        (event.step, {value.tag: value.simple_value for value in event.summary.value})
        for event in read_events(folder)
        if not event.file_version
    ]


ROWS = [{"step": 50.0, "loss": 6.25, "learning_rate": 1e-4}, {"step": 70000.0, "loss": float("inf"), "größe": -3.0}]


def test_tensorflow_reads_what_was_written(tmp_path):
    file = write_events(tmp_path / "logs", ROWS)
    assert "tfevents" in file.name
    events = read_events(tmp_path / "logs")
    assert events[0].file_version == "brain.Event:2"
    assert abs(events[1].wall_time - time.time()) < 60
    assert scalars(tmp_path / "logs") == [
        (50, {"loss": 6.25, "learning_rate": pytest.approx(1e-4)}),
        (70000, {"loss": float("inf"), "größe": -3.0}),
    ]


def test_a_later_file_takes_the_place_and_the_times_of_an_earlier_one(tmp_path):
    first = write_events(tmp_path, ROWS)
    moments = {event.step: event.wall_time for event in read_events(tmp_path)}
    content = first.read_bytes()
    first.write_bytes(content[:-3])  # killed while it wrote its last record
    time.sleep(0.01)
    second = write_events(tmp_path, [ROWS[0], {"step": 60.0, "loss": 5.0}])
    assert second.name > first.name
    assert [step for step, _ in scalars(tmp_path)] == [50, 60]
    assert read_events(tmp_path)[1].wall_time == moments[50]
    assert read_events(tmp_path)[2].wall_time > moments[50]


def test_foreign_files_stay(tmp_path):
    (tmp_path / "events.out.tfevents.123.host").write_bytes(b"not ours")
    write_events(tmp_path, ROWS)
    write_events(tmp_path, ROWS)
    assert len(list(tmp_path.iterdir())) == 2


def fit(callbacks, *, first_step: int, epochs: int):
    import tensorflow as tf

    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="dense")(inputs))
    model.compile(adamw(0.01, total_steps=100), loss="mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(first_step)
    data = tf.data.Dataset.from_tensors((np.ones((4, 2), "float32"), np.ones((4, 1), "float32"))).repeat()
    model.fit(
        data,
        initial_epoch=first_step // 10,
        epochs=epochs,
        steps_per_epoch=10,
        callbacks=callbacks,
        verbose=0,
        shuffle=False,
    )


def test_a_resumed_run_is_one_curve_without_gaps_and_doubled_steps(tmp_path):
    log, logs = tmp_path / "training.csv", tmp_path / "logs"
    fit([TrainingLog(log), EventLog(logs, log)], first_step=0, epochs=3)
    before = scalars(logs)
    assert [step for step, _ in before] == [10, 20, 30]
    fit([EventLog(logs, log), TrainingLog(log)], first_step=20, epochs=5)  # as from the checkpoint of step 20
    assert [step for step, _ in scalars(logs)] == [10, 20, 30, 40, 50]
    assert scalars(logs)[:2] == before[:2]
    for (step, values), row in zip(scalars(logs), read_log(log), strict=True):
        assert step == int(row["step"])
        assert values == {name: pytest.approx(float(row[name]), rel=1e-6) for name in ("loss", "learning_rate")}


def test_a_run_that_began_without_events_gets_all_of_them(tmp_path):
    log, logs = tmp_path / "training.csv", tmp_path / "logs"
    fit([TrainingLog(log)], first_step=0, epochs=2)
    fit([TrainingLog(log), EventLog(logs, log)], first_step=20, epochs=3)
    assert [step for step, _ in scalars(logs)] == [10, 20, 30]


def test_a_log_folder_that_goes_away_does_not_end_the_run(tmp_path):
    log, logs, said = tmp_path / "training.csv", tmp_path / "logs", []

    class Tidy(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, _=None):
            if epoch == 1:
                shutil.rmtree(logs)
            if epoch == 2:
                shutil.rmtree(logs)
                logs.write_text("a file in the way")
            if epoch == 3:
                logs.unlink()

    fit([TrainingLog(log), EventLog(logs, log, said.append), Tidy()], first_step=0, epochs=4)
    assert [step for step, _ in scalars(logs)] == [10, 20, 30, 40]
    assert len(said) == 1
    assert "no log for TensorBoard, the run goes on without it" in said[0]
