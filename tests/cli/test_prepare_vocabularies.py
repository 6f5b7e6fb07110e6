"""`kerastx prepare` of text for models that write."""

from __future__ import annotations

import pytest

from kerastx.data.store import open_store

VERSE = "ROMEO:\n  But, soft!\n\nJULIET:\n  Ay me!\n" * 3


@pytest.fixture
def verse(tmp_path):
    (tmp_path / "verse.txt").write_text(VERSE)
    return tmp_path


@pytest.mark.parametrize("kind", ["byte_bpe", "characters"])
def test_a_vocabulary_of_models_that_write_keeps_the_text(kerastx, verse, kind):
    sizes = ("--vocabulary", kind, "--vocabulary-size", 280, "--documents", "file")
    code, _, err = kerastx("prepare", "--corpus", verse / "verse.txt", *sizes, "--output", verse / "store")
    assert code == 0, err
    store = open_store(verse / "store")
    assert store.tokenizer.decode(store.tokens) == VERSE


def test_a_vocabulary_without_room_for_the_bytes_leaves_nothing(kerastx, verse):
    sizes = ("--vocabulary", "characters", "--vocabulary-size", 200)
    code, _, err = kerastx("prepare", "--corpus", verse / "verse.txt", *sizes, "--output", verse / "store")
    assert code == 2
    assert "vocabulary_size must be at least 261, the bytes and the special tokens, got 200" in err
    assert [path.name for path in verse.iterdir()] == ["verse.txt"]
