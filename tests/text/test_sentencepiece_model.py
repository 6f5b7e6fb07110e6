from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers

from kerastx.errors import DataError
from kerastx.text.sentencepiece_model import MAX_BYTES, read_sentencepiece_model

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "writers" / "marian" / "source.spm"


def varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(number: int, value: int | bytes | float) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(value)


def piece(text: str, score: float = -1.5, kind: int | None = None) -> bytes:
    return field(1, field(1, text.encode()) + field(2, score) + (b"" if kind is None else field(3, kind)))


def charsmap(units: dict[int, int], texts: bytes = b"") -> bytes:
    """A table with a trie of 256 units, which are 0 where nothing is given."""
    return struct.pack("<257I", 1024, *(units.get(place, 0) for place in range(256))) + texts


def read(folder: Path, content: bytes):
    file = folder / "a.spm"
    file.write_bytes(content)
    return read_sentencepiece_model(file)


def test_a_trained_model_is_read():
    model = read_sentencepiece_model(GOLDEN)
    assert {"▁owner", "▁", "a"} <= set(model.scores)
    assert not {"<s>", "</s>", "<unk>"} & set(model.scores)
    assert all(score < 0 for score in model.scores.values())
    assert model.charsmap
    assert (model.adds_prefix, model.drops_blanks) == (True, True)


def test_what_is_not_said_has_its_default(tmp_path):
    model = read(tmp_path, piece("<unk>", 0.0, 2) + piece("a") + piece("b", -2.5, 1) + field(9, struct.pack("<d", 1.0)))
    assert model.scores == {"a": -1.5, "b": -2.5}
    assert (model.charsmap, model.adds_prefix, model.drops_blanks) == (b"", True, True)
    table = charsmap({})
    normalizer = field(3, field(2, table) + field(3, 0) + field(4, 0))
    model = read(tmp_path, piece("a") + field(2, field(3, 1)) + normalizer)
    assert (model.charsmap, model.adds_prefix, model.drops_blanks) == (table, False, False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no pieces"),
        (piece("a")[:-2], "it ends within a field"),
        (b"\x80", "it ends within a number"),
        (b"\xff" * 20, "a number has more than ten bytes"),
        (b"\x0b", "there is no wire type 3"),
        (field(1, 7), "a number where bytes should be"),
        (piece("a") + field(2, field(3, 2)), "of the kind 2, expected 1, Unigram"),
        (piece("a") + field(3, field(5, 0)), "does not write blanks as '▁'"),
        (piece("a", kind=4), "the piece 'a' is of the kind 4"),
        (piece("a", float("nan")), "the score nan"),
        (field(1, field(1, b"\xff") + field(2, -1.0)), "can't decode"),
        (field(1, field(1, b"a") + field(2, b"12")), "requires a buffer of 4 bytes"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "a.spm"))


# "a" becomes "é": the root has its children at 0, that of "a", 97, its value at 97 ^ 3.
A_BECOMES = {97: 3 << 10 | 1 << 8 | 97, 97 ^ 3: 1 << 31 | 0}


def test_a_table_of_characters_is_followed(tmp_path):
    table = charsmap(A_BECOMES, "é\0".encode())
    assert read(tmp_path, piece("a") + field(3, field(2, table))).charsmap == table
    assert normalizers.Precompiled(table).normalize_str("bab") == "béb"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"abc", "a trie of 6513249 bytes"),
        (b"\4\0\0\0abc", "a trie of 4 bytes, expected whole units within the table"),
        (b"\0\0\0\0", "a trie of 0 bytes"),
        (b"\5\0\0\0" + bytes(8), "a trie of 5 bytes"),
        (charsmap({}, b"\xff"), "can't decode"),
        (charsmap({})[:-4], "a trie of 1024 bytes, expected whole units"),
        (b"\x04\0\0\0" + bytes(4), "offsets that leave its trie"),
        (charsmap({0: 256 << 10}), "offsets that leave its trie"),
        (charsmap({0: 1 << 31 | 256 << 10}), "offsets that leave its trie"),
        (charsmap({97: 1 << 10 | 1 << 9 | 97}), "offsets that leave its trie"),
        (charsmap({97: 0x7FFFFC00}), "offsets that leave its trie"),
        (charsmap(A_BECOMES | {97 ^ 3: 1 << 31 | 4}, "é\0".encode()), "values where no text begins"),
        (charsmap(A_BECOMES | {97 ^ 3: 1 << 31 | 1}, "é\0".encode()), "values where no text begins"),
    ],
)
def test_broken_tables_of_characters_are_refused(tmp_path, table, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, piece("a") + field(3, field(2, table)))


@settings(deadline=None)  # the file is read from disk
@given(st.data())
def test_a_changed_table_does_not_panic(tmp_path_factory, data):
    table = bytearray(charsmap(A_BECOMES, "é\0".encode()))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, 3) | st.integers(4, len(table) - 1) | st.integers(97 * 4, 97 * 4 + 15))
        table[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataError):
        found = read(tmp_path_factory.getbasetemp(), piece("a") + field(3, field(2, bytes(table)))).charsmap
        for text in ("abc", "é ü", "".join(map(chr, range(1, 300))), *map(chr, range(1, 128))):
            normalizers.Precompiled(found).normalize_str(text)


def test_files_that_are_missing_or_too_large(tmp_path):
    with pytest.raises(DataError, match=r"gone\.spm: cannot be read"):
        read_sentencepiece_model(tmp_path / "gone.spm")
    with open(tmp_path / "large.spm", "wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(DataError, match="at most 67,108,864 bytes"):
        read_sentencepiece_model(tmp_path / "large.spm")


@settings(deadline=None)  # the file is read from disk
@given(st.data())
def test_a_changed_file_is_read_or_refused(tmp_path_factory, data):
    content = bytearray(GOLDEN.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataError):
        read(tmp_path_factory.getbasetemp(), bytes(content[: data.draw(st.integers(0, len(content)))]))
