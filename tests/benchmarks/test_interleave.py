from __future__ import annotations

import os

import interleave
import pytest
from contest import OURS, BenchmarkError
from interleave import Worker, idle_core, measure, turn_order


def test_the_order_turns_and_reverses():
    assert ["".join(turn_order("ABC", number)) for number in range(7)] == [
        "ABC",
        "CBA",
        "BCA",
        "ACB",
        "CAB",
        "BAC",
        "ABC",
    ]
    assert turn_order([], 3) == []


def test_a_row_is_measured_round_by_round(contestant, row, pythons, tmp_path):
    found = measure(row(contestant("a"), contestant("b", work=200_000)), pythons, rounds=7)
    assert set(found.cpu_ms) == {"a", "b"}
    for figures in found.cpu_ms.values():
        assert {case: len(values) for case, values in figures.items()} == {"1": 7, "2": 7}
    assert all(slow > 3 * fast for slow, fast in zip(found.cpu_ms["b"]["1"], found.cpu_ms["a"]["1"], strict=True))
    assert len(found.gflops["a"]["fp32"]) == 7
    assert found.facts["a"]["versions"] == {"fake": "1.0"}
    assert found.agreements["b"]["2"].max_difference == 0
    # Of every turn one call does not count, of the first turn of each case four more.
    journal = (tmp_path / "journal").read_text()
    turns = ("bbaa", "bbaa", "aabb", "aabb", "bbaa", "bbaa")
    assert journal == 2 * ("a" * 6 + "b" * 6) + "".join(2 * turn for turn in turns)


def test_a_wrong_answer_is_found_before_anything_is_timed(contestant, row, pythons, tmp_path):
    reason = r"^b, 1: the answer differs by 0.001, at most 0.0001 is allowed \(reference 'exact'\); nothing was timed$"
    with pytest.raises(BenchmarkError, match=reason):
        measure(row(contestant("a"), contestant("b", off=1e-3)), pythons, rounds=7)
    assert not (tmp_path / "journal").exists()


def test_a_wrong_direction_is_found_where_only_the_cosine_counts(contestant, row, pythons):
    close = contestant("a", off=1e-3, tolerance=None)
    with pytest.raises(BenchmarkError, match=r"^b, 1: the answer has the cosine 0\.\d+, at least 0.999 is asked for"):
        measure(row(close, contestant("b", off=5.0, tolerance=None)), pythons, rounds=7)


def test_few_rounds_are_refused(row, pythons):
    with pytest.raises(BenchmarkError, match="fewer than 7 rounds show no spread, got 6"):
        measure(row(), pythons, rounds=6)


def test_what_is_not_installed_is_said(contestant, row, pythons):
    peers = contestant("p", environment="peers")
    lacking = contestant("q", "import protocol\ndef make(options):\n    import nothing_like_it\nprotocol.main(make)")
    found = measure(row(contestant("a"), peers, lacking), pythons, rounds=7)
    assert found.unavailable == {
        "p": "not installed: there is no /nowhere/bin/python",
        "q": "not installed: No module named 'nothing_like_it'",
    }
    assert set(found.cpu_ms) == {"a"}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("print('hello')", "bad: expected a JSON object from the worker, got 'hello'"),
        ("print('[1]')", "bad: expected a JSON object from the worker, got '[1]'"),
        ("print('{}')", "bad: expected 'ready' from the worker, got []"),
        ("raise SystemExit('no memory')", "bad: the worker ended with status 1: no memory"),
        ("import os; os.kill(os.getpid(), 9)", "bad: the worker ended with status -9: silent"),
        (
            "print('{\"ready\": {}}', flush=True); raise OSError('gone')",
            r"bad: the worker ended with status 1: OSError: gone",
        ),
        (
            'print(\'{"ready": {}}\\n{"x": 1}\', flush=True); input()',
            "bad: expected 'answer' in the worker's reply, got ['x']",
        ),
    ],
)
def test_a_worker_that_fails_is_one_line(contestant, row, pythons, source, reason):
    with pytest.raises(BenchmarkError) as caught:
        measure(row(contestant("bad", source)), pythons, rounds=7)
    assert str(caught.value) == reason


def test_a_worker_that_hangs_is_given_up(contestant, pythons):
    worker = Worker(contestant("bad", "input()"), pythons[OURS])
    try:
        with pytest.raises(BenchmarkError, match=r"^bad: the worker did not answer in time$"):
            worker.receive(0.05)
    finally:
        worker.close()


def test_workers_have_one_thread_and_share_a_core(contestant, row, pythons):
    source = """
import os, protocol
class Told:
    facts = {"threads": os.environ["OMP_NUM_THREADS"], "cores": sorted(os.sched_getaffinity(0))}
    matmuls = {}
    def __init__(self, options): pass
    def answer(self, case): return [[1.0, 2.0], [float(case), 0.0]]
    def call(self, case): return int
protocol.main(Told)
"""
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system has no affinities")
    core = idle_core()
    assert core in os.sched_getaffinity(0)
    found = measure(row(contestant("a", source)), pythons, rounds=7, core=core)
    assert found.facts["a"] == {"threads": "1", "cores": [core]}
    assert interleave.ONE_THREAD["TF_NUM_INTRAOP_THREADS"] == interleave.ONE_THREAD["MKL_NUM_THREADS"] == "1"
