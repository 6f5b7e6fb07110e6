from __future__ import annotations

import json
from pathlib import Path

import bench
import pytest
import report
from contest import Bar
from interleave import Measured


@pytest.fixture
def run(tmp_path, monkeypatch, pythons):
    """Return a function that runs the command on a row; (status, BENCHMARKS.md, JSON)."""

    def call(made, *arguments: str):
        monkeypatch.setattr(bench, "load_row", lambda name, context: made)
        paths = [tmp_path / name for name in ("B.md", "b.json")]
        status = bench.main(
            [
                "--rows",
                made.name,
                "--output",
                str(paths[0]),
                "--json",
                str(paths[1]),
                "--peers",
                "/nowhere/python",
                *arguments,
            ]
        )
        return status, *(path.read_text(encoding="utf-8") if path.exists() else "" for path in paths)

    return call


def test_the_command_writes_report_and_figures(contestant, row, run, capsys):
    bars = (Bar("a", "b", "1", 1.5), Bar("b", "a", "1", 1.0), Bar("a", "p", "2", 1.0))
    made = row(contestant("a"), contestant("b", work=200_000), contestant("p", environment="peers"), bars=bars)
    status, text, figures = run(made, "--rounds", "7")
    assert status == 0
    entry = json.loads(figures)["fake"]
    assert [len(entry["contestants"][0]["cpu_ms"][case]) for case in "12"] == [7, 7]
    assert entry["conditions"]["command"] == "make bench ROWS=fake ROUNDS=7"
    assert {"cpu", "cores", "date", "load_before", "load_after", "python"} <= set(entry["conditions"])
    assert "| the a | 2.0 | " in text
    assert "| the p | not installed: there is no /nowhere/python |" in text
    assert "- met: the a against the b, one: " in text
    assert "- **not met**: the b against the a, one: 0." in text
    assert "- not measured: the a against the p, two: the p: not installed" in text
    assert "fake 1.0" in text
    assert capsys.readouterr().out.count("as fast, asked for") == 2


def test_rows_that_are_not_chosen_stay(contestant, row, run, tmp_path):
    conditions = dict.fromkeys(("date", "cpu", "cores", "system", "python", "command", "rounds"), "earlier")
    conditions |= {"load_before": 0.0, "load_after": 0.0}
    other = report.entry(row(), Measured(), conditions)
    (tmp_path / "b.json").write_text(json.dumps({"another": {**other, "title": "Other work"}}))
    _, text, figures = run(row(contestant("a")), "--rounds", "7")
    assert list(json.loads(figures)) == ["another", "fake"]
    assert text.index("## Other work") < text.index("## Fake work")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--rounds", "6"], "error: --rounds must be at least 7, got 6\n"),
        (["--rows", "nothing"], "error: the rows are "),
    ],
)
def test_wrong_usage_is_one_line(arguments, reason, tmp_path, capsys):
    assert bench.main([*arguments, "--output", str(tmp_path / "B.md"), "--json", str(tmp_path / "b.json")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(reason)
    assert error.count("\n") == 1
    assert not (tmp_path / "B.md").exists()


def test_a_failing_worker_is_one_error_line(contestant, row, run, capsys):
    status, text, _ = run(row(contestant("a", "raise ValueError('broken')")), "--rounds", "7")
    assert (status, text) == (1, "")
    assert capsys.readouterr().err.splitlines()[-1] == "error: a: the worker ended with status 1: ValueError: broken"


def test_the_rows_there_are():
    assert "files" in bench.row_names()
    context = bench.Context(Path("build/bench"), {"ours": Path("a"), "peers": Path("b")})
    made = bench.load_row("files", context)
    names = [contestant.name for contestant in made.contestants]
    assert len(set(names)) == len(names)
    assert {side for bar in made.bars for side in (bar.ours, bar.peer)} <= set(names)
    assert {bar.case for bar in made.bars} <= set(made.cases)


def test_products_say_what_limits_whom(row):
    values = {
        "cases": {"1": "one"},
        "contestants": [
            {
                "label": "A",
                "arithmetic": "fp32",
                "gflops": {"fp32": [90.0, 100.0, 110.0]},
                "cpu_ms": {"1": [25.0] * 3},
                "operations": {"1": 2e9},
            },
            {"label": "B", "arithmetic": "int8", "gflops": {}, "cpu_ms": {"1": [25.0] * 3}, "operations": {"1": 2e9}},
        ],
    }
    assert report.products(values) == ["A: fp32 products at 100 GFLOP/s account for 80% of its time (one)"]
