"""The worker's side of a comparison: one contestant, one process, JSON lines over stdin and stdout.

    worker: {"ready": {"versions": {...}, "size_bytes": 1, "settings": "..."}}   or {"unavailable": "why"}
    driver: {"answer": "128"}                      worker: {"answer": [[0.1, 0.2], ...]}
    driver: {"run": 20, "case": "128", "warm": 1}  worker: {"cpu_ms": 7.4}
    driver: {"matmul": 0.1}                        worker: {"gflops": {"fp32": 98.0}}
    driver closes stdin                            worker ends

Standard library only: it runs in the environment of every contestant.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol


class Contestant(Protocol):
    """What a worker script makes of its options.

    Attributes:
        facts: for the report: "versions" (package -> version), "settings" (in words), "size_bytes" of its file.
        matmuls: number format -> (matrix product, its floating point operations): the rate of its library.
    """

    facts: dict[str, Any]
    matmuls: dict[str, tuple[Callable[[], object], float]]

    def answer(self, case: str) -> list:
        """Return what is compared with the reference, as nested lists of numbers."""
        ...

    def call(self, case: str) -> Callable[[], object]:
        """Return what is timed."""
        ...


def main(make: Callable[[dict[str, Any]], Contestant]) -> None:
    """Serve the contestant that `make` makes of the options, which are JSON in the first argument."""
    # What libraries print must not reach the driver.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def reply(**values: Any) -> None:
        replies.write(json.dumps(values) + "\n")

    try:
        contestant = make(json.loads(sys.argv[1]))
    except ImportError as error:
        reply(unavailable=f"not installed: {error}")
        return
    reply(ready=contestant.facts)
    calls: dict[str, Callable[[], object]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "answer" in request:
            reply(answer=contestant.answer(request["answer"]))
        elif "run" in request:
            case = request["case"]
            if case not in calls:
                calls[case] = contestant.call(case)
            for _ in range(request["warm"]):
                calls[case]()
            reply(cpu_ms=cpu_ms(calls[case], request["run"]))
        else:
            rates = contestant.matmuls.items()
            reply(gflops={name: rate(product, work, request["matmul"]) for name, (product, work) in rates})


def cpu_ms(call: Callable[[], object], repeats: int) -> float:
    """Return the mean CPU time of one call over `repeats` of them, all threads of the process, in ms."""
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) * 1000 / repeats


def rate(product: Callable[[], object], operations: float, seconds: float) -> float:
    """Return 10⁹ operations a second of CPU time, over `seconds` of them."""
    product()
    estimate = cpu_ms(product, 3)
    return operations / 1e6 / max(cpu_ms(product, max(3, round(seconds * 1000 / max(estimate, 1e-3)))), 1e-9)


def versions(*packages: str) -> dict[str, str | None]:
    """Return the installed versions."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found
