"""A log that is finer than epochs, for runs of few of them."""

from __future__ import annotations

import math
import time

import keras


class BatchLog(keras.callbacks.Callback):
    """Collect a row of step, rate and logs some times per epoch; the last of an epoch also has its `val_` logs.

    The values of a row are means over the batches since the row before, so its loss falls within an epoch too.

    Args:
        num_examples: of an epoch.
        batch_size: B; the last batch of an epoch may be smaller.
        rows_per_epoch: at most.

    Attributes:
        rows: what was collected.
        dev_seconds, dev_cpu_seconds: spent on the scores between two epochs, which are no part of training.
    """

    def __init__(self, *, num_examples: int, batch_size: int, rows_per_epoch: int = 20):
        super().__init__()
        self.num_examples = num_examples
        self.batch_size = batch_size
        self.num_batches = math.ceil(num_examples / batch_size)
        self.rows_per_epoch = min(rows_per_epoch, self.num_batches)
        self.rows: list[dict[str, float]] = []
        self.dev_seconds = self.dev_cpu_seconds = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.seen = 0
        self.sums: dict[str, float] = {}

    def on_train_batch_end(self, batch, logs=None):
        rows_before, rows_now = (count * self.rows_per_epoch // self.num_batches for count in (batch, batch + 1))
        if rows_now == rows_before:
            return
        optimizer = self.model.optimizer
        step = int(optimizer.iterations)
        if self.rows and step == self.rows[-1]["step"]:  # several batches make one update
            return
        seen = min((batch + 1) * self.batch_size, self.num_examples)
        # Keras gives the means since the epoch began.
        sums = {name: float(mean) * seen for name, mean in (logs or {}).items()}
        means = {name: (total - self.sums.get(name, 0.0)) / (seen - self.seen) for name, total in sums.items()}
        rate = float(optimizer.learning_rate)
        self.rows.append({"step": step, "learning_rate": rate, **means})
        self.seen, self.sums = seen, sums

    def on_epoch_end(self, epoch, logs=None):
        if self.rows:
            self.rows[-1] |= {name: value for name, value in (logs or {}).items() if name.startswith("val_")}

    def on_test_begin(self, logs=None):
        self.test_begin = time.monotonic(), time.process_time()

    def on_test_end(self, logs=None):
        self.dev_seconds += time.monotonic() - self.test_begin[0]
        self.dev_cpu_seconds += time.process_time() - self.test_begin[1]
