"""What people see on stderr while a verb works: progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def say(line: str) -> None:
    """Print one line to stderr at once; the work goes on when nobody reads it any more."""
    with contextlib.suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield `report(phase, done, total)`: a bar per phase on a terminal, a line per finished phase elsewhere."""
    if not sys.stderr.isatty():
        yield _phase_lines()
        return
    columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %")]
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        tasks = {}

        def report(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(phase, total=total)
            bars.update(tasks[phase], completed=done, total=total)

        yield report


def _phase_lines() -> Callable[[str, int, int], None]:
    started: dict[str, float] = {}

    def report(phase: str, done: int, total: int) -> None:
        begin = started.setdefault(phase, time.monotonic())
        if done >= total and begin >= 0:
            say(f"{phase}: done in {time.monotonic() - begin:.1f} s")
            started[phase] = -1.0

    return report


def in_parts(function: Callable[..., list], what: str, *, rows: int = 256) -> Callable[..., list]:
    """Return a function of lists of equal length that calls `function` on some rows at a time, and shows how far it is.

    Args:
        function: of lists, to a list of as many results.
        what: the work, in words.
        rows: of a part.
    """

    def in_order(*columns: list) -> list:
        found: list = []
        total = len(columns[0])
        with progress() as report:
            report(what, 0, max(total, 1))
            for start in range(0, total, rows):
                found += function(*(column[start : start + rows] for column in columns))
                report(what, len(found), total)
        return found

    return in_order
