"""Our speed beside that of others: `make bench`.

    python tests/benchmarks/bench.py --rows files --rounds 9

A row is a file in rows/ with a function `row(context)`; its contestants are scripts in contestants/. Only the chosen
rows are measured anew; the report keeps the others as they were.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import interleave
import report
from contest import OURS, PEERS, BenchmarkError, Row

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ROUNDS = 9


@dataclass(frozen=True)
class Context:
    """What a row is made with.

    Attributes:
        folder: for the files that the contestants read.
        pythons: environment -> its interpreter.
        reuse: whether files of the peers that are there already may be used again.
    """

    folder: Path
    pythons: dict[str, Path]
    reuse: bool = False


def row_names() -> list[str]:
    """Return the rows that there are."""
    return sorted(path.stem for path in (HERE / "rows").glob("*.py") if not path.stem.startswith("_"))


def load_row(name: str, context: Context) -> Row:
    """Return the row that rows/NAME.py describes."""
    if name not in row_names():
        raise BenchmarkError(f"the rows are {', '.join(row_names())}, got {name!r}")
    return importlib.import_module(f"rows.{name}").row(context)


def run_row(row: Row, context: Context, rounds: int, command: str) -> dict[str, Any]:
    """Measure `row`; return what the JSON keeps."""
    load_before = os.getloadavg()[0]
    measured = interleave.measure(row, context.pythons, rounds=rounds, core=interleave.idle_core(), progress=say)
    conditions = {
        "date": datetime.date.today().isoformat(),
        "command": command,
        "rounds": rounds,
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
        **report.machine(),
    }
    return report.entry(row, measured, conditions)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="CPU time beside that of other libraries, one thread")
    parser.add_argument("--rows", default=",".join(row_names()), help="comma-separated (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="at least 7 (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "BENCHMARKS.md")
    parser.add_argument("--json", type=Path, default=HERE / "results.json", help="figures; rows not chosen stay")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "bench", help="for the contestants' files")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="our interpreter")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers" / "bin" / "python", help="the peers' one")
    parser.add_argument("--reuse", action="store_true", help="do not make the peers' files again")
    options = parser.parse_args(arguments)
    context = Context(options.folder.absolute(), {OURS: options.python, PEERS: options.peers}, options.reuse)
    command = shlex.join(["make", "bench", f"ROWS={options.rows}", f"ROUNDS={options.rounds}"])
    if options.reuse:
        command = f"bench.py --rows {options.rows} --rounds {options.rounds} --reuse"
    try:
        if options.rounds < interleave.MIN_ROUNDS:
            raise BenchmarkError(f"--rounds must be at least {interleave.MIN_ROUNDS}, got {options.rounds}")
        rows = [load_row(name, context) for name in options.rows.split(",")]
        entries = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {}
        for row in rows:
            entries[row.name] = run_row(row, context, options.rounds, command)
            # After every row: a run that is stopped keeps what it has measured.
            entries = dict(sorted(entries.items()))
            options.json.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
            options.output.write_text(report.markdown(entries), encoding="utf-8")
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for row in rows:
        print(f"{row.title}\n" + "\n".join(f"  {line}" for line in report.verdicts(entries[row.name])))
    print(f"report: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
