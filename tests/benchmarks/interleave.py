"""The driver's side: workers that take turns, round after round, in changing order."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contest import OURS, Agreement, BenchmarkError, Contestant, Row, agreement, check_agreement

HERE = Path(__file__).resolve().parent
MIN_ROUNDS = 7
SECONDS_PER_MATMUL = 0.1
START_SECONDS = 900.0
REPLY_SECONDS = 900.0
_THREADS = "OMP MKL OPENBLAS NUMEXPR TF_NUM_INTRAOP TF_NUM_INTEROP".split()
ONE_THREAD = {f"{name}_THREADS" if name[:2] == "TF" else f"{name}_NUM_THREADS": "1" for name in _THREADS}


@dataclass
class Measured:
    """What was measured of a row.

    Attributes:
        facts: contestant -> what its worker says about itself.
        unavailable: contestant -> why it could not take part.
        agreements: contestant -> case -> distance from the reference.
        cpu_ms: contestant -> case -> CPU time of one call, one figure a round.
        gflops: contestant -> number format -> rate, one figure a round.
    """

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    agreements: dict[str, dict[str, Agreement]] = field(default_factory=dict)
    cpu_ms: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    gflops: dict[str, dict[str, list[float]]] = field(default_factory=dict)


class Worker:
    """A contestant in a process of its own; every failure is a BenchmarkError of one line."""

    def __init__(self, contestant: Contestant, python: str | Path, *, core: int | None = None):
        self.name = contestant.name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._unread = b""
        search = [str(HERE), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])]
        if contestant.environment != OURS:
            search = [str(HERE)]
        try:
            self._process = subprocess.Popen(
                [str(python), str(HERE / contestant.script), json.dumps(dict(contestant.options))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, **ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(search)},
                preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
            )
        except OSError as error:
            self._log.close()
            raise BenchmarkError(f"{self.name}: cannot start {python}: {error.strerror}") from error

    def receive(self, seconds: float = REPLY_SECONDS) -> dict[str, Any]:
        """Return the next reply."""
        line = self._line(time.monotonic() + seconds)
        try:
            reply = json.loads(line)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise BenchmarkError(f"{self.name}: expected a JSON object from the worker, got {line[:80]!r}")
        return reply

    def ask(self, request: Mapping[str, Any], answer: str) -> Any:
        """Send `request` and return what the reply holds under `answer`."""
        try:
            self._process.stdin.write(json.dumps(dict(request)).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None
        reply = self.receive()
        if answer not in reply:
            raise BenchmarkError(f"{self.name}: expected {answer!r} in the worker's reply, got {sorted(reply)}")
        return reply[answer]

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            try:
                stream.close()
            except OSError:  # unsent bytes to a dead process
                continue

    def _line(self, end: float) -> str:
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(end - time.monotonic(), 0)):
                    raise BenchmarkError(f"{self.name}: the worker did not answer in time")
                received = os.read(self._process.stdout.fileno(), 1 << 16)
                if not received:
                    raise self._ended()
                self._unread += received
        line, self._unread = self._unread.split(b"\n", 1)
        return line.decode(errors="replace")

    def _ended(self) -> BenchmarkError:
        status = self._process.wait()
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        return BenchmarkError(f"{self.name}: the worker ended with status {status}: {lines[-1] if lines else 'silent'}")


def turn_order(names: Sequence[str], number: int) -> list[str]:
    """Return the order of round `number`: every other round backwards, each pair of rounds starting one further.

    So nobody always runs behind the same neighbour, nor always first.
    """
    start = (number // 2) % len(names) if names else 0
    turned = [*names[start:], *names[:start]]
    return turned[::-1] if number % 2 else turned


def measure(
    row: Row,
    pythons: Mapping[str, str | Path],
    *,
    rounds: int,
    core: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Measured:
    """Prepare `row` and start its workers, compare their answers with the reference, then let them take turns.

    Args:
        pythons: environment -> its interpreter.
        rounds: at least 7.
        core: that all workers share, so that the waiting ones cannot disturb; None = as the system likes.

    Raises:
        BenchmarkError: a worker fails, or answers unlike the reference.
    """
    if rounds < MIN_ROUNDS:
        raise BenchmarkError(f"fewer than {MIN_ROUNDS} rounds show no spread, got {rounds}")
    progress(f"{row.name}: preparing")
    found = Measured(unavailable=dict(row.prepare()))
    workers: dict[str, Worker] = {}
    try:
        for contestant in row.contestants:
            if contestant.name in found.unavailable:
                continue
            progress(f"{row.name}: starting {contestant.name}")
            _start(contestant, pythons[contestant.environment], core, workers, found)
        progress(f"{row.name}: comparing answers")
        _compare(row, workers, found)
        for number in range(rounds):
            progress(f"{row.name}: round {number + 1} of {rounds}")
            _round(row, number, workers, found)
    finally:
        for worker in workers.values():
            worker.close()
    return found


def _start(
    contestant: Contestant, python: str | Path, core: int | None, workers: dict[str, Worker], found: Measured
) -> None:
    if not Path(python).exists():
        found.unavailable[contestant.name] = f"not installed: there is no {python}"
        return
    worker = workers[contestant.name] = Worker(contestant, python, core=core)
    reply = worker.receive(START_SECONDS)
    if "unavailable" in reply:
        found.unavailable[contestant.name] = str(reply["unavailable"])
        workers.pop(contestant.name).close()
    elif "ready" in reply:
        found.facts[contestant.name] = reply["ready"]
    else:
        raise BenchmarkError(f"{contestant.name}: expected 'ready' from the worker, got {sorted(reply)}")


def _compare(row: Row, workers: Mapping[str, Worker], found: Measured) -> None:
    references = row.references()
    for contestant in row.contestants:
        if contestant.name not in workers:
            continue
        for case in row.cases:
            answer = workers[contestant.name].ask({"answer": case}, "answer")
            try:
                distance = agreement(answer, references[contestant.reference][case])
            except BenchmarkError as error:
                raise BenchmarkError(f"{contestant.name}, {case}: {error}") from error
            check_agreement(contestant, case, distance)
            found.agreements.setdefault(contestant.name, {})[case] = distance


def _round(row: Row, number: int, workers: Mapping[str, Worker], found: Measured) -> None:
    for case in row.cases:
        for name in turn_order(list(workers), number):
            figures = found.cpu_ms.setdefault(name, {}).setdefault(case, [])
            if not figures:
                estimate = workers[name].ask({"run": 2, "case": case, "warm": 2}, "cpu_ms")
            else:
                estimate = figures[-1]
            repeats = max(1, round(row.seconds_per_turn * 1000 / max(estimate, 1e-3)))
            # One call that does not count brings the worker's data back into the caches.
            figures.append(workers[name].ask({"run": repeats, "case": case, "warm": 1}, "cpu_ms"))
    for name in turn_order(list(workers), number):
        for number_format, value in workers[name].ask({"matmul": SECONDS_PER_MATMUL}, "gflops").items():
            found.gflops.setdefault(name, {}).setdefault(number_format, []).append(value)


def idle_core() -> int | None:
    """Return the core that is busy least over half a second, or None where processes cannot be pinned."""
    if not hasattr(os, "sched_setaffinity") or not sys.platform.startswith("linux"):
        return None
    before = _idle_ticks()
    time.sleep(0.5)
    after = _idle_ticks()
    return max(os.sched_getaffinity(0), key=lambda core: after.get(core, 0) - before.get(core, 0))


def _idle_ticks() -> dict[int, int]:
    lines = (line.split() for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines())
    return {int(words[0][3:]): int(words[4]) for words in lines if words and words[0][:3] == "cpu" and words[0][3:]}
