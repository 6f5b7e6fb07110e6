"""Processes that make parts: started here, fed with shards over stdin, and gone when this process is.

They are plain subprocesses and not `multiprocessing`: that would run the caller's script once more in each of them,
and they would outlive a killed parent.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kerastx.data.corpus import Segment
from kerastx.data.documents import PartMaker, Reading
from kerastx.errors import DataError, KerastxError
from kerastx.text.tokenizer import Tokenizer

Job = tuple[Path, Sequence[Segment]]  # the part to make and its shard
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from kerastx.data.workers import main; main()"


class InterruptedWorkError(DataError):
    """The work cannot go on now, but what was done of it is good."""


def num_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def make_parts(
    jobs: Sequence[Job],
    tokenizer_file: Path,
    reading: Reading,
    *,
    workers: int,
    on_read: Callable[[int], None],
) -> None:
    """Make all parts, in this process where one is enough.

    Args:
        jobs: what to make, in the order of the corpus; of several mistakes the first one is raised.
        tokenizer_file: where the processes find the tokenizer.
        reading: how to read.
        workers: number of processes.
        on_read: called from time to time with the number of bytes of these jobs read so far.
    """
    workers = min(workers, len(jobs))
    if workers > 1:
        with contextlib.closing(_Pool(tokenizer_file, reading, workers)) as pool:
            pool.run(jobs, on_read)
        return
    if not jobs:
        return
    maker, before = PartMaker(Tokenizer.load(tokenizer_file), reading), 0
    for path, shard in jobs:
        maker.make(path, shard, functools.partial(_report, on_read, before))
        before += sum(segment.end - segment.start for segment in shard)


def _report(on_read: Callable[[int], None], before: int, done: int) -> None:
    on_read(before + done)


class _Worker:
    def __init__(self, start: dict[str, Any], events: queue.SimpleQueue[tuple[_Worker, list[Any] | None]]):
        self.job: int | None = None
        self.done_bytes = 0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps([os.fspath(path) for path in sys.path])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="ascii",
            # No descriptor is inherited unless it is asked for (PEP 446), and without this macOS would fork, about
            # which the threads of `tokenizers` warn.
            close_fds=False,
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self.send(start)
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def send(self, message: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # its end is told by `_listen`
            self.process.stdin.write(json.dumps(message) + "\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]

    def end(self) -> str:
        """Kill it, wait, and return what it wrote to stderr."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()  # type: ignore[union-attr]
        self._errors.seek(0)
        with self._errors:
            return self._errors.read().decode(errors="replace")

    def _listen(self, events: queue.SimpleQueue[tuple[_Worker, list[Any] | None]]) -> None:
        with self.process.stdout as lines:  # type: ignore[union-attr]
            for line in lines:
                events.put((self, json.loads(line)))
        events.put((self, None))


class _Pool:
    def __init__(self, tokenizer_file: Path, reading: Reading, workers: int):
        self._events: queue.SimpleQueue[tuple[_Worker, list[Any] | None]] = queue.SimpleQueue()
        start = {"tokenizer": os.fspath(tokenizer_file), "reading": asdict(reading)}
        self._workers: list[_Worker] = []
        try:
            for _ in range(workers):
                self._workers.append(_Worker(start, self._events))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for worker in self._workers:
            worker.end()

    def run(self, jobs: Sequence[Job], on_read: Callable[[int], None]) -> None:
        waiting = iter(range(len(jobs)))
        failed: dict[int, str] = {}
        finished_bytes = 0
        for worker in self._workers:
            self._give(worker, jobs, waiting)
        while any(worker.job is not None for worker in self._workers):
            worker, event = self._events.get()
            if event is None:
                self._explain(worker)
                continue
            kind, value = event
            if kind == "unwritten":
                raise InterruptedWorkError(value)
            if kind == "read":
                worker.done_bytes = value
            else:
                if kind == "failed":
                    failed[worker.job or 0] = value
                    waiting = iter(())
                finished_bytes += worker.done_bytes
                self._give(worker, jobs, waiting)
            on_read(finished_bytes + sum(worker.done_bytes for worker in self._workers))
        if failed:
            raise DataError(failed[min(failed)])

    def _give(self, worker: _Worker, jobs: Sequence[Job], waiting: Iterator[int]) -> None:
        worker.job, worker.done_bytes = next(waiting, None), 0
        if worker.job is not None:
            path, shard = jobs[worker.job]
            segments = [(os.fspath(segment.path), segment.start, segment.end) for segment in shard]
            worker.send({"part": os.fspath(path), "shard": segments})

    def _explain(self, worker: _Worker) -> None:
        """Raise for a worker that ended without being asked to."""
        code = worker.process.wait()
        errors = worker.end()
        self._workers.remove(worker)
        if code < 0:
            raise InterruptedWorkError(
                f"a worker process was killed ({signal.Signals(-code).name}), perhaps for lack of memory; "
                "the same command goes on where it stopped, and fewer --workers need less"
            )
        raise RuntimeError(f"a worker process ended with exit code {code}:\n{errors}")


def main() -> None:
    """Be a worker: settings, then jobs come as lines of JSON, and answers go out as such."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints is no answer

    def answer(*event: Any) -> None:
        print(json.dumps(event), file=answers, flush=True)

    messages = _messages()
    start = json.loads(messages.get())
    reading = Reading(**{**start["reading"], "languages": tuple(start["reading"]["languages"])})
    maker = PartMaker(Tokenizer.load(start["tokenizer"]), reading)
    while True:
        job = json.loads(messages.get())
        shard = [Segment(Path(path), begin, end) for path, begin, end in job["shard"]]
        try:
            maker.make(Path(job["part"]), shard, lambda done: answer("read", done))
        except KerastxError as error:
            answer("failed", str(error))
        except OSError as error:
            answer("unwritten", f"{job['part']}: cannot be written: {error.strerror}")
        else:
            answer("done", None)


def _messages() -> queue.SimpleQueue[str]:
    """Return the lines of stdin as they come; the process ends with the last one, whatever it is doing."""
    messages: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            messages.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    return messages
