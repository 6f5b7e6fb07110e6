"""Runs of prepare that are interrupted, repeated or done by several processes give the same store."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from generated_text import write_corpus

from kerastx.data import prepare as prepare_module
from kerastx.data import shards
from kerastx.data.corpus import list_files, read_sentences
from kerastx.data.prepare import prepare
from kerastx.data.store import FILES, MANIFEST, write_store
from kerastx.data.work_folder import folder_of
from kerastx.data.workers import InterruptedWorkError
from kerastx.errors import DataError
from kerastx.text.tokenizer import Tokenizer

KILLS = 10
# Background jobs of a shell ignore SIGINT, and so do the processes they start.
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from kerastx.data import shards
shards.SHARD_BYTES = int(sys.argv.pop(1))
from kerastx.cli.app import main
main()
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(3):
        write_corpus(folder / f"{number}.txt", 40_000, seed=number, num_words=3000)
    shutil.copy(folder / "0.txt", folder / "3.txt")
    return folder


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 10_000)


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (*FILES, MANIFEST)}


@pytest.mark.parametrize("documents", ["blank", "file"])
def test_the_store_does_not_depend_on_the_number_of_processes(corpus, tmp_path, documents):
    options = {"vocabulary_size": 500, "documents": documents, "deduplicate": documents == "blank"}
    stores = [prepare([corpus], tmp_path / str(n), workers=n, **options) for n in (1, 2, 3)]
    assert stores[0].manifest["removed"] or documents == "file"
    for store in stores[1:]:
        assert content(store.path) == content(stores[0].path)


def test_the_store_is_that_of_one_plain_pass(corpus, tmp_path):
    store = prepare([corpus], tmp_path / "store", vocabulary_size=500, workers=2)
    files = list_files([corpus])
    texts = [sentence.text for sentence in read_sentences(files)]
    starts = [sentence.starts_document for sentence in read_sentences(files)]
    tokenizer = Tokenizer.train(texts, vocabulary_size=500)
    batches = [(tokenizer.encode_ids(texts), starts)]
    plain = write_store(tmp_path / "plain", batches, tokenizer=tokenizer, documents="blank", sources=files)
    assert content(plain.path) == content(store.path)


@pytest.fixture
def interrupted(corpus, tmp_path, monkeypatch):
    """Return a function: prepare, interrupted when the given share of the tokens is done."""

    def run(share: float, output: Path, **options) -> None:
        def stop(phase: str, done: int, total: int) -> None:
            if phase == "tokens" and done >= share * total:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prepare([corpus], output, vocabulary_size=500, workers=1, progress=stop, **options)

    return run


def test_an_interrupted_run_goes_on_and_says_so(corpus, interrupted, tmp_path, monkeypatch):
    whole = prepare([corpus], tmp_path / "whole", vocabulary_size=500)
    interrupted(0.5, tmp_path / "out")
    parts = sorted(folder_of(tmp_path / "out").glob("*.part"))
    assert 5 < len(parts) < 16
    parts[3].write_bytes(parts[3].read_bytes()[:-1])
    kept = [path.stat().st_mtime_ns for path in parts]
    monkeypatch.setattr(Tokenizer, "train", None)  # it is not trained again
    said, reports = [], []
    store = prepare(
        [corpus],
        tmp_path / "out",
        vocabulary_size=500,
        say=said.append,
        progress=lambda *report: reports.append(report),
    )
    assert len(said) == 1
    assert f"out: continuing an unfinished run; {len(kept) - 1} of" in said[0]
    assert reports[0][1] > 0.4 * reports[0][2]
    assert content(store.path) == content(whole.path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


@pytest.mark.parametrize("change", ["settings", "corpus"])
def test_other_settings_or_text_start_anew_and_say_so(corpus, interrupted, tmp_path, change):
    interrupted(0.5, tmp_path / "out")
    if change == "corpus":
        os.utime(corpus / "1.txt")
    said = []
    prepare([corpus], tmp_path / "out", vocabulary_size=500 + (change == "settings"), say=said.append)
    assert said == [f"{tmp_path / 'out'}: an unfinished run had another corpus or other settings; starting anew"]


def test_a_corpus_that_changes_meanwhile_is_refused(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("A fox.\n\nA dog.\n")

    def grow(phase: str, done: int, total: int) -> None:
        if phase == "tokens":
            file.write_text("A fox.\n\nA dog.\n\nA cat.\n")

    with pytest.raises(DataError, match=r"a\.txt: was changed while it was read"):
        prepare([file], tmp_path / "out", vocabulary_size=64, progress=grow)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_bad_text_in_a_late_shard_is_told_with_its_line(corpus, tmp_path):
    lines = (corpus / "0.txt").read_bytes().splitlines(keepends=True)
    (tmp_path / "a.txt").write_bytes(b"".join(lines) + b"caf\xe9\n\n" + b"".join(lines))
    with pytest.raises(DataError, match=rf"a\.txt:{len(lines) + 1}: expected UTF-8 text, got byte 0xe9"):
        prepare([tmp_path / "a.txt"], tmp_path / "out", vocabulary_size=500, workers=2)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_leftovers_of_a_killed_run_go_and_a_replaced_store_comes_back(corpus, tmp_path):
    store = prepare([corpus], tmp_path / "out", vocabulary_size=500)
    before = content(store.path)
    (tmp_path / ".out.abcd1234.partial").mkdir()
    (tmp_path / ".other.abcd1234.partial").mkdir()
    shutil.copytree(store.path, tmp_path / ".out.abcd1235.replaced")
    prepare([corpus], tmp_path / "out", vocabulary_size=500, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.abcd1234.partial", "out"]
    store.path.rename(tmp_path / ".out.abcd1234.replaced")  # killed between two renames
    with pytest.raises(DataError, match="exists already"):
        prepare([corpus], tmp_path / "out", vocabulary_size=500)
    assert content(store.path) == before


def test_a_run_killed_while_clearing_up_has_made_its_store(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_module.WorkFolder, "remove", lambda work: None)
    store = prepare([corpus], tmp_path / "out", vocabulary_size=500)
    monkeypatch.undo()
    monkeypatch.setattr(shards, "SHARD_BYTES", 10_000)
    assert prepare([corpus], tmp_path / "out", vocabulary_size=500).sha256 == store.sha256
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(DataError, match="exists already"):
        prepare([corpus], tmp_path / "out", vocabulary_size=500)


def test_work_is_kept_where_the_corpus_is_not_at_fault(corpus, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise InterruptedWorkError("no memory")

    monkeypatch.setattr(prepare_module, "make_parts", fail)
    with pytest.raises(InterruptedWorkError):
        prepare([corpus], tmp_path / "out", vocabulary_size=500)
    assert list(folder_of(tmp_path / "out").glob("tokenizer-*.json"))


def start(corpus: Path, output: Path, *more: str, shard_bytes: int = 40_000) -> subprocess.Popen:
    arguments = ["prepare", "--corpus", corpus, "--output", output, "--vocabulary-size", "2000", "--deduplicate", *more]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(shard_bytes), *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def group(pid: int) -> list[str]:
    """Return the command lines of the processes of a process group that still live."""
    found = subprocess.run(["ps", "-o", "args=", "-g", str(pid)], capture_output=True, text=True, check=False)
    return [line for line in found.stdout.splitlines() if "<defunct>" not in line]


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(tmp_path):
    write_corpus(tmp_path / "corpus.txt", 3_000_000, num_words=20_000)
    begin = time.monotonic()
    unbroken = start(tmp_path / "corpus.txt", tmp_path / "unbroken", "--workers", "2")
    assert "near copy" in unbroken.communicate()[1]
    seconds = time.monotonic() - begin
    draw = random.Random(1)
    kills = 0
    for number in range(100):
        process = start(tmp_path / "corpus.txt", tmp_path / "out", "--workers", str(1 + number % 3))
        try:
            process.communicate(timeout=draw.uniform(0.05, 0.6 * seconds))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            continue
        assert process.returncode == 0
        assert content(tmp_path / "out") == content(tmp_path / "unbroken")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "out", "unbroken"]
        if kills >= KILLS:
            break
        shutil.rmtree(tmp_path / "out")
    assert kills >= KILLS


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_without_a_traceback(tmp_path):
    write_corpus(tmp_path / "corpus.txt", 3_000_000, num_words=20_000)
    process = start(tmp_path / "corpus.txt", tmp_path / "out", "--workers", "2")
    while not list(folder_of(tmp_path / "out").glob("*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "Traceback" not in error
    assert not group(process.pid)


@pytest.mark.slow
def test_workers_end_when_the_parent_is_killed(tmp_path):
    write_corpus(tmp_path / "corpus.txt", 3_000_000, num_words=20_000)
    process = start(tmp_path / "corpus.txt", tmp_path / "out", "--workers", "2")
    while not list(folder_of(tmp_path / "out").glob("*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    time.sleep(1)
    assert not group(process.pid)
