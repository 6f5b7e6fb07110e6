"""How long a training step waits for its batch."""

from __future__ import annotations

import time

import numpy as np
import tensorflow as tf


class WaitMeter:
    """Adds up the time between asking a dataset for an element and getting it.

    Attributes:
        seconds: waited so far, over all datasets that are watched.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._asked = 0.0

    def watch(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Return the same elements; put it behind `prefetch`, or the work is taken for waiting."""
        # A zip asks its datasets one after the other.
        before, after = self._endless(self._ask), self._endless(self._get)
        # Rewritten to run ahead, the last map would ask for the next element while nobody waits for it.
        options = tf.data.Options()
        options.experimental_optimization.map_parallelization = False
        options.experimental_optimization.inject_prefetch = False
        watched = tf.data.Dataset.zip((before, dataset, after)).map(lambda before, element, after: element)
        return watched.with_options(options)

    def _endless(self, function) -> tf.data.Dataset:
        def note(step: tf.Tensor) -> tf.Tensor:
            return tf.numpy_function(function, [step], tf.int64, stateful=True)

        return tf.data.Dataset.range(1 << 62).map(note)

    def _ask(self, step: np.int64) -> np.int64:
        self._asked = time.perf_counter()
        return step

    def _get(self, step: np.int64) -> np.int64:
        self.seconds += time.perf_counter() - self._asked
        return step
