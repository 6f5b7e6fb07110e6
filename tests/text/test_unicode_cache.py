"""An answer is taken from its file where that is whole and of the right kind, and asked for again elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from text_backends import wordpiece_backend
from tokenizers import normalizers

from kerastx.text import byte_pair_tables, unicode_cache, unicode_units
from kerastx.text.unicode_cache import Layout, cache_folder, remembered

LAYOUTS = {"letters": Layout(np.int32, (4, None), below=100), "kinds": Layout(np.int8, (4, None), below=3)}
ANSWER = {"letters": np.arange(12, dtype=np.int32).reshape(4, 3), "kinds": np.ones((4, 3), np.int8)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASTX_CACHE", str(tmp_path / "new" / "cache"))
    return tmp_path / "new" / "cache"


@pytest.fixture
def asked():
    """The questions that were asked."""
    return []


@pytest.fixture
def answer(asked):
    """A function from a question to its answer, which tells `asked`."""

    def ask(question="one", layouts=LAYOUTS):
        found = remembered({"of": question}, layouts, lambda: asked.append(question) or ANSWER)
        for name, values in ANSWER.items():
            assert found[name].dtype == values.dtype
            np.testing.assert_array_equal(found[name], values)

    return ask


def only_file(folder):
    (file,) = folder.iterdir()
    return file


def test_a_question_is_asked_once(folder, answer, asked):
    answer()
    answer()
    assert asked == ["one"]
    assert only_file(folder).suffix == ".npz"


def test_another_question_another_version_and_another_format_have_other_files(folder, answer, asked, monkeypatch):
    answer("one")
    answer("two")
    monkeypatch.setattr("tokenizers.__version__", "0.0.1")
    answer("one")
    monkeypatch.setattr(unicode_cache, "FORMAT", unicode_cache.FORMAT + 1)
    answer("one")
    assert asked == ["one", "two", "one", "one"]
    assert len(list(folder.iterdir())) == 4


def test_a_damaged_file_is_written_again(folder, answer, asked):
    answer()
    file = only_file(folder)
    content = file.read_bytes()
    cut = [content[:length] for length in range(0, len(content), 7)]
    flipped = [content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :] for at in range(len(content))]
    for damaged in (*cut, *flipped, b"no archive", b"\x93NUMPY\x01\x00"):
        file.write_bytes(damaged)
        answer()
    for damaged in (*cut, b"no archive"):
        file.write_bytes(damaged)
        asked.clear()
        answer()
        answer()
        assert asked == ["one"]
        assert file.read_bytes() == content


@pytest.mark.parametrize(
    "changes",
    [
        {"kinds": None},
        {"kinds": np.ones((4, 2), np.int8)},
        {"letters": np.ones((5, 3), np.int32)},
        {"letters": np.ones(4, np.int32)},
        {"letters": np.ones((4, 3, 1), np.int32)},
        {"letters": np.ones((4, 3), np.int64)},
        {"letters": np.ones((4, 3), ">i4")},
        {"letters": np.full((4, 3), 100, np.int32)},
        {"kinds": np.full((4, 3), -1, np.int8)},
        {"letters": np.ones((4, 0), np.int32), "kinds": np.ones((4, 0), np.int8)},
        {"kinds": np.array([[{}] * 3] * 4)},
    ],
)
def test_a_file_of_other_arrays_is_written_again(folder, answer, asked, changes):
    answer()
    arrays = {name: values for name, values in {**ANSWER, **changes}.items() if values is not None}
    np.savez(only_file(folder), **arrays)
    answer()
    answer()
    assert asked == ["one", "one"]


def test_a_single_array_instead_of_an_archive_is_written_again(folder, answer, asked):
    answer()
    with only_file(folder).open("wb") as stream:
        np.save(stream, ANSWER["letters"])
    answer()
    answer()
    assert asked == ["one", "one"]


def test_a_folder_that_cannot_be_made_means_to_ask(folder, answer, asked):
    folder.parent.write_bytes(b"a file")
    answer()
    answer()
    assert asked == ["one", "one"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs folders that this user may not write")
def test_a_folder_that_cannot_be_written_means_to_ask(folder, answer, asked):
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    answer()
    answer()
    assert asked == ["one", "one"]


@pytest.mark.parametrize("failing", ["os.replace", "tempfile.mkstemp", "numpy.savez_compressed"])
def test_a_failed_write_leaves_nothing(folder, answer, asked, monkeypatch, failing):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(failing, full)
    answer()
    answer()
    assert asked == ["one", "one"]
    assert list(folder.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(folder, answer, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        answer()
    assert list(folder.iterdir()) == []


def test_a_user_without_a_home(answer, asked, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("KERASTX_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    answer()
    assert asked == ["one"]


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "home/.cache/kerastx"),
        ("linux", {"XDG_CACHE_HOME": "caches"}, "caches/kerastx"),
        ("darwin", {}, "home/Library/Caches/kerastx"),
        ("win32", {}, "home/AppData/Local/kerastx"),
        ("win32", {"LOCALAPPDATA": "local"}, "local/kerastx"),
        ("win32", {"LOCALAPPDATA": "local", "KERASTX_CACHE": "mine"}, "mine"),
    ],
)
def test_where_files_are_kept(monkeypatch, platform, environment, expected):
    for name in ("KERASTX_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    assert cache_folder() == Path(expected)


@pytest.fixture
def forgetful():
    """A function that makes this process forget what it knows of Unicode; called before the test and behind it too."""

    def forget():
        unicode_units._unicode_units.cache_clear()
        byte_pair_tables._class_tables.cache_clear()

    forget()
    yield forget
    forget()


def test_two_normalizers_do_not_share(folder, forgetful, monkeypatch):
    asked = []

    def ask(normalizer, _):
        asked.append(normalizer)
        characters = np.full((unicode_units.CODE_POINTS, 1), len(asked), np.int32)
        return {"characters": characters, "kinds": characters.astype(np.int8)}

    monkeypatch.setattr(unicode_units, "_asked", ask)
    for _ in range(2):
        for number, lowercase in enumerate((True, False), 1):
            backend = wordpiece_backend()
            backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
            assert unicode_units.unicode_units(backend).characters[0, 0] == number
        forgetful()
    assert len(set(asked)) == len(asked) == len(list(folder.iterdir())) == 2


def test_units_and_classes_are_the_same_from_their_files(forgetful, monkeypatch):
    def tables():
        units = unicode_units.unicode_units(wordpiece_backend())
        return units.characters, units.kinds, *byte_pair_tables._class_tables()

    expected = tables()
    forgetful()
    monkeypatch.delattr(unicode_units, "_asked")
    monkeypatch.delattr(byte_pair_tables, "_classes")
    for found, wanted in zip(tables(), expected, strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
