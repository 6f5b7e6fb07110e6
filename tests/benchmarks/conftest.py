"""Rows of tiny workers: processes of the standard library alone, as quick as Python starts."""

from __future__ import annotations

import sys
from pathlib import Path

import interleave
import pytest
from contest import OURS, Bar, Contestant, Row

WORKER = """
import protocol

class Fake:
    def __init__(self, options):
        self.options = options
        self.facts = {"versions": {"fake": "1.0"}, "size_bytes": 2_000_000, "settings": "as it comes"}
        self.matmuls = {"fp32": (lambda: sum(range(100)), 1e3)}
        print("what a library prints is not a reply")

    def answer(self, case):
        return [[1.0, 2.0 + self.options.get("off", 0.0)], [float(case), 0.0]]

    def call(self, case):
        work = self.options.get("work", 1000)
        def call():
            with open(self.options["journal"], "a") as journal:
                journal.write(self.options["name"])
            return sum(range(work))
        return call

protocol.main(Fake)
"""


@pytest.fixture
def contestant(tmp_path, monkeypatch):
    """Return a function that makes a contestant of the worker above, or of another source."""
    monkeypatch.setattr(interleave, "SECONDS_PER_MATMUL", 0.0)

    def make(name: str, source: str = WORKER, *, environment=OURS, label=None, **choices) -> Contestant:
        script = tmp_path / f"{name}.py"
        script.write_text(source, encoding="utf-8")
        keep = {key: choices.pop(key) for key in ("reference", "tolerance", "min_cosine") if key in choices}
        options = {"journal": str(tmp_path / "journal"), "name": name, **choices}
        return Contestant(
            name=name,
            label=label or f"the {name}",
            script=str(script),
            environment=environment,
            options=options,
            **keep,
        )

    return make


@pytest.fixture
def row():
    """Return a function that makes a row of contestants with two cases, "1" and "2"."""

    def make(*contestants: Contestant, bars: tuple[Bar, ...] = ()) -> Row:
        return Row(
            name="fake",
            title="Fake work",
            about="Sums.",
            unit="sum",
            cases={"1": "one", "2": "two"},
            operations={"1": 1e6, "2": 2e6},
            contestants=contestants,
            bars=bars,
            references=lambda: {"exact": {case: [[1.0, 2.0], [float(case), 0.0]] for case in ("1", "2")}},
            seconds_per_turn=0.0,
        )

    return make


@pytest.fixture
def pythons() -> dict[str, Path]:
    """Both environments: this interpreter, and one that is not there."""
    return {"ours": Path(sys.executable), "peers": Path("/nowhere/bin/python")}
