from __future__ import annotations

import os

import pytest

from kerastx.data.store import write_store
from kerastx.data.work_folder import WorkFolder, folder_of, has_made
from kerastx.errors import DataError


@pytest.fixture
def said():
    return []


def test_work_is_kept_for_the_same_key_only(store, tmp_path, said):
    output = tmp_path / "out"
    with WorkFolder(output, {"a": 1}, said.append) as work:
        assert not work.resumed
        assert work.load_tokenizer() is None
        part = work.part(0)
        part.write_bytes(b"x")
        work.keep_tokenizer(store.tokenizer)
    with WorkFolder(output, {"a": 1}, said.append) as work:
        assert work.resumed
        assert work.part(0) == part
        assert work.load_tokenizer().sha256 == store.tokenizer.sha256
    assert not said
    with WorkFolder(output, {"a": 2}, said.append) as work:
        assert not work.resumed
        assert work.part(0) != part  # a process that outlived its parent cannot put an old part in its place
        assert not part.exists()
        assert work.load_tokenizer() is None
        work.remove()
    assert said == [f"{output}: an unfinished run had another corpus or other settings; starting anew"]
    assert not list(tmp_path.iterdir())


def test_a_damaged_tokenizer_is_not_used(store, tmp_path, said):
    with WorkFolder(tmp_path / "out", {}, said.append) as work:
        file = work.keep_tokenizer(store.tokenizer)
        file.write_text(file.read_text() + " ")
        assert work.load_tokenizer() is None
        assert work.keep_tokenizer(store.tokenizer) == file
        assert work.load_tokenizer().sha256 == store.tokenizer.sha256


def test_one_process_at_a_time(tmp_path, said):
    first = WorkFolder(tmp_path / "out", {}, said.append)
    with first, pytest.raises(DataError, match="out: another kerastx prepare is working on it"):
        WorkFolder(tmp_path / "out", {}, said.append)
    WorkFolder(tmp_path / "out", {}, said.append).__exit__()


def test_a_foreign_folder_is_left_alone(tmp_path, said):
    folder = folder_of(tmp_path / "out")
    folder.mkdir()
    (folder / "mine.txt").write_text("precious")
    with pytest.raises(DataError, match="is not a work folder of kerastx prepare"):
        WorkFolder(tmp_path / "out", {}, said.append)
    assert (folder / "mine.txt").read_text() == "precious"


def test_a_finished_store_is_known(store, numbered_store, tmp_path, said):
    def write(path, **options):
        batches = [([numbered_store.tokens[:5]], [True])]
        return write_store(path, batches, tokenizer=numbered_store.tokenizer, documents="blank", sources=[], **options)

    made = write(tmp_path / "out").path
    with WorkFolder(made, {"a": 1}, said.append) as work:
        assert not has_made(made, {"a": 1})
        work.note_result(made)
        assert has_made(made, {"a": 1})
        assert not has_made(made, {"a": 2})
        assert not has_made(tmp_path / "other", {"a": 1})
        (made / "manifest.json").write_text("{}")
        assert not has_made(made, {"a": 1})
        work.remove()
    assert not has_made(made, {"a": 1})


def test_a_lock_file_that_was_removed_locks_nobody_out(tmp_path, said):
    with WorkFolder(tmp_path / "out", {}, said.append):
        os.unlink(folder_of(tmp_path / "out") / "lock")
        (folder_of(tmp_path / "out") / "key.json").unlink()
        WorkFolder(tmp_path / "out", {}, said.append).__exit__()
