"""Waiting is measured where it happens, and the elements stay as they are."""

from __future__ import annotations

import time

import numpy as np
import pytest
import tensorflow as tf

from kerastx.data.wait import WaitMeter


def slow(number):
    time.sleep(0.01)
    return number


def source():
    elements = tf.data.Dataset.range(20).map(lambda x: {"a": tf.numpy_function(slow, [x], tf.int64), "b": -x})
    return elements.prefetch(4)


def test_a_consumer_that_is_faster_waits_for_each_element():
    meter = WaitMeter()
    found = list(meter.watch(source()).as_numpy_iterator())
    np.testing.assert_array_equal([element["a"] for element in found], np.arange(20))
    np.testing.assert_array_equal([element["b"] for element in found], -np.arange(20))
    assert 0.15 < meter.seconds < 2.0


def test_a_consumer_that_is_slower_does_not_wait():
    meter = WaitMeter()
    for _ in meter.watch(source()):
        time.sleep(0.03)
    assert meter.seconds < 0.3  # 20 x 0.03 s were spent elsewhere


def test_what_is_measured_is_the_time_blocked_in_next():
    """A consumer that takes three quarters of the producer's time, as tf.data itself runs ahead where it can."""
    meter, blocked = WaitMeter(), 0.0
    elements = iter(meter.watch(source()))
    for _ in range(20):
        begin = time.perf_counter()
        next(elements)
        blocked += time.perf_counter() - begin
        time.sleep(0.0075)
    assert meter.seconds == pytest.approx(blocked, abs=0.15)


def test_cardinality_and_spec_stay():
    watched = WaitMeter().watch(tf.data.Dataset.range(7).batch(2))
    assert int(watched.cardinality()) == 4
    assert watched.element_spec == tf.data.Dataset.range(7).batch(2).element_spec
