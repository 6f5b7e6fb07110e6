from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from kerastx.data import shards, workers
from kerastx.data.corpus import list_files
from kerastx.data.documents import Reading
from kerastx.data.parts import is_whole
from kerastx.data.shards import plan_shards
from kerastx.data.workers import InterruptedWorkError, make_parts, num_cores
from kerastx.errors import DataError


@pytest.fixture
def jobs(corpus_file, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 5000)
    plan = plan_shards(list_files([corpus_file]), "blank")
    assert len(plan) > 5
    return [(tmp_path / f"{number}.part", shard) for number, shard in enumerate(plan)]


def children() -> set[int]:
    path = f"/proc/self/task/{threading.main_thread().native_id}/children"
    if not os.path.exists(path):
        pytest.skip(f"{path} is not there")
    with open(path) as file:
        return set(map(int, file.read().split()))


def test_processes_make_the_parts_of_one(store, jobs, tmp_path):
    tokenizer_file, reports = store.path / "tokenizer.json", []
    make_parts(jobs, tokenizer_file, Reading(deduplicate=True), workers=1, on_read=reports.append)
    alone = [path.read_bytes() for path, _ in jobs]
    size = sum(segment.end - segment.start for _, shard in jobs for segment in shard)
    assert reports == sorted(reports)
    assert reports[-1] == size
    for path, _ in jobs:
        path.unlink()
    reports.clear()
    make_parts(jobs, tokenizer_file, Reading(deduplicate=True), workers=3, on_read=reports.append)
    assert [path.read_bytes() for path, _ in jobs] == alone
    assert all(is_whole(path) for path, _ in jobs)
    assert reports == sorted(reports)
    assert reports[-1] == size


def test_no_jobs_need_no_process(store):
    make_parts([], store.path / "none.json", Reading(), workers=3, on_read=lambda done: None)
    assert num_cores() >= 1


def test_the_first_mistake_of_the_corpus_is_told(store, tmp_path):
    found = []
    for number, last in enumerate([b"Fine.", b"Bad \xff.", b"Fine.", b"Bad \xfe."]):
        (tmp_path / f"{number}.txt").write_bytes(b"A line.\n" * (3000 - 900 * number) + last)
        found.append((tmp_path / f"{number}.part", plan_shards(list_files([tmp_path / f"{number}.txt"]), "file")[0]))
    with pytest.raises(DataError, match=r"1\.txt:2101: expected UTF-8 text, got byte 0xff"):
        make_parts(found, store.path / "tokenizer.json", Reading(), workers=4, on_read=lambda done: None)
    assert not children()


def test_a_killed_worker_is_one_clear_error(store, jobs):
    def kill_one() -> None:
        while not (found := children() - before):
            time.sleep(0.01)
        os.kill(min(found), signal.SIGKILL)

    before = children()
    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(
        InterruptedWorkError, match=r"a worker process was killed \(SIGKILL\), perhaps for lack of memory"
    ):
        make_parts(jobs, store.path / "tokenizer.json", Reading(), workers=2, on_read=lambda done: None)
    killer.join()
    assert children() == before


def test_workers_end_with_an_error_of_the_caller(store, jobs):
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    before = children()
    with pytest.raises(KeyboardInterrupt):
        make_parts(jobs, store.path / "tokenizer.json", Reading(), workers=2, on_read=interrupt)
    assert children() == before


def test_a_part_that_cannot_be_written(store, jobs, tmp_path):
    jobs = [(tmp_path / "none" / path.name, shard) for path, shard in jobs]
    with pytest.raises(InterruptedWorkError, match="none/[01].part: cannot be written: No such file"):
        make_parts(jobs, store.path / "tokenizer.json", Reading(), workers=2, on_read=lambda done: None)


def test_a_bug_in_a_worker_shows_its_traceback(store, jobs, monkeypatch):
    monkeypatch.setattr(workers, "_START", "raise SystemError('a bug')")
    with pytest.raises(RuntimeError, match="(?s)ended with exit code 1.*SystemError: a bug"):
        make_parts(jobs, store.path / "tokenizer.json", Reading(), workers=2, on_read=lambda done: None)
