from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from generated_text import documents, near_copy, text, vocabulary

from kerastx.data import shards
from kerastx.data.filters import Filters
from kerastx.data.prepare import prepare
from kerastx.data.store import open_store
from kerastx.errors import DataError, MissingExtraError

ENGLISH = "The weather was fine on that morning, and we went to the park to look at the flowers."
GERMAN = "Das Wetter war an diesem Morgen schön, und wir gingen in den Park, um die Blumen zu sehen."
CHINESE = "今天早上天气很好，我们一起去公园看花，路上遇到了很多朋友。"


def texts_of(store):
    starts = store.sentences[store.documents]
    return [store.tokenizer.decode(store.tokens[begin:end]) for begin, end in itertools.pairwise(starts)]


@pytest.fixture
def write(tmp_path):
    def write(*texts: str):
        file = tmp_path / "corpus.txt"
        file.write_text("\n\n".join(texts), encoding="utf-8")
        return [file]

    return write


def test_documents_are_left_out_by_length(write, tmp_path):
    corpus = write("One.", "One two.", "One two three.", "One. Two. Three. Four.")
    store = prepare(corpus, tmp_path / "store", vocabulary_size=64, min_tokens=3, max_tokens=4)
    lengths = prepare(corpus, tmp_path / "all", tokenizer=store.tokenizer).sentences
    assert lengths.tolist()[:4] == [0, 2, 5, 9]
    assert texts_of(store) == ["one two.", "one two three."]
    assert store.manifest["filters"] == {"min_tokens": 3, "max_tokens": 4}
    assert store.manifest["removed"] == {
        "too_short": {"documents": 1, "tokens": 2},
        "too_long": {"documents": 1, "tokens": 8},
    }
    assert open_store(store.path).num_documents == 2


def test_nothing_left_is_an_error(write, tmp_path):
    with pytest.raises(DataError, match="no document of the corpus is left: 1 too short"):
        prepare(write("A fox."), tmp_path / "store", vocabulary_size=64, min_tokens=100)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"min_tokens": 0}, "min_tokens must be at least 1, got 0"),
        ({"min_tokens": 5, "max_tokens": 4}, r"max_tokens must be at least min_tokens \(5\), got 4"),
        ({"max_tokens": 0}, r"max_tokens must be at least min_tokens \(1\), got 0"),
    ],
)
def test_limits_must_make_sense(options, reason):
    with pytest.raises(ValueError, match=reason):
        Filters(**options)


def test_copies_and_near_copies_go_and_the_first_stays(write, tmp_path, monkeypatch):
    pick = np.random.default_rng(0)
    words = vocabulary(5000)
    source = documents(pick, words)
    originals = [document for document in (next(source) for _ in range(600)) if sum(map(len, document)) > 40]
    near = [near_copy(pick, words, document, 0.04) for document in originals[:100]]
    exact = ["Twice.", *(text(document).upper() for document in originals[100:150]), "Twice."]
    corpus = write(*map(text, originals), *map(text, near), *exact)
    monkeypatch.setattr(shards, "SHARD_BYTES", 50_000)
    store = prepare(corpus, tmp_path / "store", vocabulary_size=2000, deduplicate=True)
    assert store.manifest["filters"] == {"near_copy_similarity": 0.5}
    removed = store.manifest["removed"]
    assert removed["exact_copy"]["documents"] >= 51  # and near-copies in which the edits left everything
    assert 146 <= removed["exact_copy"]["documents"] + removed["near_copy"]["documents"] <= 151
    everything = prepare(corpus, tmp_path / "all", tokenizer=store.tokenizer)
    assert store.num_tokens + sum(count["tokens"] for count in removed.values()) == everything.num_tokens
    assert texts_of(store)[: len(originals)] == texts_of(everything)[: len(originals)]


def test_chinese_near_copies(write, tmp_path):
    pick = np.random.default_rng(0)
    characters = np.array([chr(code) for code in range(0x4E00, 0x4E00 + 1000)])
    texts = ["".join(pick.choice(characters, 120)) + "。" for _ in range(50)]
    near = [text[:30] + "的" + text[31:90] + text[92:] for text in texts[:20]]
    store = prepare(write(*texts, *near), tmp_path / "store", vocabulary_size=3000, deduplicate=True)
    assert store.num_documents == 50
    assert store.manifest["removed"]["near_copy"]["documents"] == 20


def test_only_some_languages_stay(write, tmp_path):
    pytest.importorskip("py3langid")
    corpus = write(ENGLISH, GERMAN, CHINESE, ENGLISH + " " + ENGLISH)
    store = prepare(corpus, tmp_path / "store", vocabulary_size=100, languages=["en"])
    assert store.num_documents == 2
    assert store.manifest["filters"] == {"languages": ["en"]}
    assert store.manifest["removed"]["other_language"]["documents"] == 2
    assert not any("\u4e00" <= token <= "\u9fff" for token in map(store.tokenizer.token, range(64)))
    assert prepare(corpus, tmp_path / "two", vocabulary_size=100, languages=["de", "zh"]).num_documents == 2
    with pytest.raises(ValueError, match="language must be one of .*en.*, got klingon"):
        prepare(corpus, tmp_path / "wrong", vocabulary_size=100, languages=["klingon"])
    assert not (tmp_path / "wrong").exists()


def test_a_missing_extra_is_one_line(write, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kerastx\[language\]'"):
        prepare(write(ENGLISH), tmp_path / "store", vocabulary_size=100, languages=["en"])
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]
