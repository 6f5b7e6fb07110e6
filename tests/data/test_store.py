from __future__ import annotations

import errno
import json
import os
import shutil

import numpy as np
import pytest

from kerastx.data import store as store_module
from kerastx.data.store import check_output, open_store, write_store
from kerastx.errors import DataError


@pytest.fixture
def copy(numbered_store, tmp_path):
    """A store to spoil."""
    return shutil.copytree(numbered_store.path, tmp_path / "copy")


def write(path, sentences, tokenizer, **options):
    return write_store(path, sentences, tokenizer=tokenizer, documents="blank", sources=[], **options)


def test_a_store_holds_sentences_and_documents(make_numbered_store):
    store = make_numbered_store([[2, 3], [4]])
    assert (store.num_tokens, store.num_sentences, store.num_documents) == (9, 3, 2)
    assert store.sentences.tolist() == [0, 2, 5, 9]
    assert store.documents.tolist() == [0, 2, 3]
    assert store.tokens.tolist() == list(range(5, 14))
    assert store.tokens.dtype == np.uint16
    assert store.unigram_entropy == pytest.approx(np.log(9))
    assert not store.tokens.flags.writeable


def test_batches_are_joined(make_numbered_store, tmp_path):
    tokenizer = make_numbered_store([[9]]).tokenizer
    batches = [([np.array([5, 6]), np.array([7])], [True, False]), ([np.array([8]), np.array([8])], [False, True])]
    store = write(tmp_path / "store", iter(batches), tokenizer)
    assert store.sentences.tolist() == [0, 2, 3, 4, 5]
    assert store.documents.tolist() == [0, 3, 4]
    probabilities = np.array([1, 1, 1, 2]) / 5
    assert store.unigram_entropy == pytest.approx(-(probabilities * np.log(probabilities)).sum())


def test_a_large_vocabulary_is_stored_in_32_bits(make_numbered_store):
    store = make_numbered_store([[33_000], [33_000]])
    assert store.tokens.dtype == np.uint32
    assert store.tokens[-1] == 66_004
    assert open_store(store.path).num_tokens == 66_000


def test_opening_again_gives_the_same(numbered_store):
    again = open_store(numbered_store.path)
    assert again.sha256 == numbered_store.sha256
    assert again.manifest == numbered_store.manifest
    assert again.tokenizer.sha256 == numbered_store.tokenizer.sha256
    for name in ("tokens", "sentences", "documents"):
        np.testing.assert_array_equal(getattr(again, name), getattr(numbered_store, name))


def test_the_data_hash_depends_on_every_part(make_numbered_store):
    hashes = {
        make_numbered_store(documents).sha256 for documents in ([[2, 3], [4]], [[2, 3, 4]], [[3, 2], [4]], [[9, 1]])
    }
    assert len(hashes) == 4
    assert make_numbered_store([[2, 3], [4]]).sha256 in hashes


def test_the_manifest_names_no_folder(store, corpus_file):
    text = (store.path / "manifest.json").read_text()
    manifest = json.loads(text)
    assert manifest["sources"] == [{"name": "stories.txt", "size_bytes": corpus_file.stat().st_size}]
    assert manifest["documents_mode"] == "blank"
    assert str(corpus_file.parent) not in text
    assert sorted(manifest["files"]) == ["documents.bin", "sentences.bin", "tokenizer.json", "tokens.bin"]


FILES = ["tokens.bin", "sentences.bin", "documents.bin", "tokenizer.json"]


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_found(copy, name):
    os.truncate(copy / name, (copy / name).stat().st_size - 2)
    with pytest.raises(DataError, match=rf"{name}: expected [\d,]+ bytes, got [\d,]+; prepare the store again"):
        open_store(copy, verify=False)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found(copy, name):
    (copy / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: expected [\d,]+ bytes, got no file"):
        open_store(copy)


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_found(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(DataError, match=rf"{name}: was altered"):
        open_store(copy)


@pytest.mark.parametrize("name", ["sentences.bin", "documents.bin"])
def test_offsets_must_increase_and_end_right(copy, name):
    offsets = np.fromfile(copy / name, np.int64)
    swapped = offsets.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    swapped.tofile(copy / name)
    with pytest.raises(DataError, match=rf"{name}: the offsets do not increase"):
        open_store(copy, verify=False)
    (offsets + 1).tofile(copy / name)
    with pytest.raises(DataError, match=rf"{name}: the offsets do not run from 0 to \d+"):
        open_store(copy, verify=False)


def test_ids_outside_of_the_vocabulary_are_found(copy):
    tokens = np.fromfile(copy / "tokens.bin", np.uint16)
    tokens[7] = 65_000
    tokens.tofile(copy / "tokens.bin")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["tokens.bin"]["sha256"] = store_module._file_sha256(copy / "tokens.bin")
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"tokens\.bin: holds ids outside the vocabulary"):
        open_store(copy)


def test_sizes_that_fit_no_value_are_found(copy):
    for size in (0, 5):
        os.truncate(copy / "tokens.bin", size)
        manifest = json.loads((copy / "manifest.json").read_text())
        manifest["files"]["tokens.bin"]["size_bytes"] = size
        (copy / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(DataError, match=rf"tokens\.bin: expected values of 2 bytes, got {size} bytes in all"):
            open_store(copy, verify=False)


def test_a_store_that_cannot_be_read(copy, monkeypatch):
    def refuse(file):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(store_module, "_file_sha256", refuse)
    with pytest.raises(DataError, match="copy: cannot be read: Permission denied"):
        open_store(copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a kerastx token store; make one with kerastx prepare"),
        ("[]", "is not a kerastx token store"),
        ('{"format": "other"}', "is not a kerastx token store"),
        ('{"format": "kerastx-store", "version": 2}', "expected a token store of version 1, got 2"),
        ('{"format": "kerastx-store", "version": 1}', r"manifest\.json: was altered"),
        ('{"format": "kerastx-store", "version": 1, "files": {"tokens.bin": 3}}', r"manifest\.json: was altered"),
        (
            '{"format": "kerastx-store", "version": 1, "files": [], "unigram_entropy": 1}',
            r"manifest\.json: was altered",
        ),
    ],
)
def test_a_wrong_manifest_is_refused(copy, content, message):
    (copy / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=message):
        open_store(copy)


def test_folders_that_are_no_store(tmp_path):
    with pytest.raises(DataError, match="there is no such token store; make one with kerastx prepare"):
        open_store(tmp_path / "none")
    with pytest.raises(DataError, match="is not a kerastx token store"):
        open_store(tmp_path)


def test_an_existing_output_is_kept_unless_forced(numbered_store, copy, make_numbered_store):
    with pytest.raises(DataError, match="exists already; .*--force"):
        check_output(copy, force=False)
    with pytest.raises(DataError, match="exists already"):
        write(copy, [([np.array([5])], [True])], numbered_store.tokenizer)
    assert open_store(copy).sha256 == numbered_store.sha256
    replaced = write(copy, [([np.array([5])], [True])], numbered_store.tokenizer, force=True)
    assert replaced.num_tokens == 1
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_force_replaces_nothing_but_a_store(tmp_path, numbered_store):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    for target in (folder, folder / "chapter.txt"):
        with pytest.raises(DataError, match="is not a kerastx token store and will not be replaced"):
            write(target, [([np.array([5])], [True])], numbered_store.tokenizer, force=True)
    assert (folder / "chapter.txt").read_text() == "years of work"


def test_a_failure_leaves_nothing_and_keeps_the_old_store(copy, numbered_store):
    def failing():
        yield [np.array([5])], [True]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for target, force in ((copy, True), (copy.parent / "new", False)):
        with pytest.raises(DataError, match="the token store cannot be written: No space left on device"):
            write(target, failing(), numbered_store.tokenizer, force=force)
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]
    assert open_store(copy).sha256 == numbered_store.sha256


def test_an_interrupt_leaves_nothing(tmp_path, numbered_store):
    def interrupted():
        yield [np.array([5])], [True]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "new", interrupted(), numbered_store.tokenizer)
    assert not list(tmp_path.iterdir())


def test_a_real_full_disk(numbered_store, tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("/dev/full is not there")
    original = store_module.MANIFEST
    try:
        store_module.MANIFEST = "/dev/full"
        with pytest.raises(DataError, match="No space left on device"):
            write(tmp_path / "new", [([np.array([5])], [True])], numbered_store.tokenizer)
    finally:
        store_module.MANIFEST = original
    assert not list(tmp_path.iterdir())


def test_an_empty_store_is_refused(numbered_store, tmp_path):
    with pytest.raises(DataError, match="the corpus is empty: no text was found"):
        write(tmp_path / "new", [], numbered_store.tokenizer)
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_made(numbered_store, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="the token store cannot be written: "):
        write(tmp_path / "file" / "store", [([np.array([5])], [True])], numbered_store.tokenizer)
