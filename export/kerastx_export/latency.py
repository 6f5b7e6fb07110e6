"""How long a file takes for one text."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from kerastx.runtime.session import Session

_REPEATS = 21
_SECONDS = 1.5


def latency_ms(session: Session, lengths: list[int]) -> dict[int, float]:
    """Return length in tokens -> median CPU milliseconds of one row, by an engine of one thread.

    The engine runs in the thread that calls it, and that thread's CPU time is what is counted: other programs
    lengthen it less than the clock.
    """
    return {length: _median_ms(session, length) for length in lengths}


def _median_ms(session: Session, length: int) -> float:
    ids = np.random.default_rng(length).integers(0, session.manifest.model["vocabulary_size"], (1, length))
    inputs = {
        "token_ids": ids.astype(np.int32),
        "segment_ids": np.zeros((1, length), np.int32),
        "padding_mask": np.ones((1, length), bool),
    }
    return median_ms(lambda: session.engine.run(inputs))


def median_ms(run: Callable[[], object]) -> float:
    """Return the median CPU milliseconds of a run, after the first ones, by the thread that calls it."""
    return medians_ms(run)[0]


def medians_ms(*runs: Callable[[], object]) -> tuple[float, ...]:
    """Return the median of each of several runs, which take turns; see `median_ms`."""
    for _ in range(3):  # the first runs allocate
        for run in runs:
            run()
    times: list[list[float]] = [[] for _ in runs]
    end = time.perf_counter() + _SECONDS
    while len(times[0]) < 3 or (len(times[0]) < _REPEATS and time.perf_counter() < end):
        for run, found in zip(runs, times, strict=True):
            start = time.thread_time()
            run()
            found.append((time.thread_time() - start) * 1000)
    return tuple(map(statistics.median, times))
