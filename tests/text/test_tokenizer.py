from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from kerastx.errors import DataError
from kerastx.text.tokenizer import SPECIAL_TOKENS, Tokenizer

TEXTS = [
    "The naïve café owner paid 3.50 for unbelievable things.",
    "Unbelievable! The owner of the café is naïve, the things are believable.",
    "He said that the things were paid for by the owner's brother.",
    "今天天气很好，我们去公园。",
    "我们今天去看天气。",
]


@pytest.fixture(scope="module")
def uncased() -> Tokenizer:
    return Tokenizer.train(TEXTS, vocabulary_size=200)


@pytest.fixture(scope="module")
def cased() -> Tokenizer:
    return Tokenizer.train(TEXTS, vocabulary_size=200, lowercase=False)


def test_special_tokens_come_first(uncased):
    assert [uncased.token(id) for id in range(5)] == list(SPECIAL_TOKENS)
    assert uncased.special_ids == (0, 1, 2, 3, 4)
    assert (uncased.pad_id, uncased.unknown_id, uncased.cls_id, uncased.sep_id, uncased.mask_id) == (0, 1, 2, 3, 4)


def test_uncased_folds_case_and_accents_and_cased_does_not(uncased, cased):
    assert uncased.lowercase
    assert not cased.lowercase
    assert uncased.encode("NAÏVE Café").tokens == uncased.encode("naive cafe").tokens
    assert cased.encode("The").tokens != cased.encode("the").tokens
    assert cased.decode(cased.encode("The café").token_ids) == "The café"


def test_every_chinese_character_is_a_token(uncased):
    assert uncased.encode("我们今天").tokens == ["[CLS]", "我", "们", "今", "天", "[SEP]"]
    assert not [token for token in uncased._tokens if token.startswith("##") and token[2:] > "\u4e00"]


def test_pieces_rebuild_the_words(uncased):
    for text in TEXTS:
        encoding = uncased.encode(text)
        assert "[UNK]" not in encoding.tokens
        joined = "".join(token.removeprefix("##") for token in encoding.tokens[1:-1])
        assert joined == "".join(text.lower().replace("ï", "i").replace("é", "e").split())


def test_special_tokens_in_a_text_are_text(uncased):
    encoding = uncased.encode("[MASK] [CLS]", "[SEP]")
    assert [id for id in encoding.token_ids if id in uncased.special_ids and id != uncased.unknown_id] == [
        uncased.cls_id,
        uncased.sep_id,
        uncased.sep_id,
    ]
    ids = uncased.encode_ids(["the [MASK] things [PAD]"])[0]
    assert not set(ids.tolist()) & {uncased.pad_id, uncased.cls_id, uncased.sep_id, uncased.mask_id}


def test_a_pair_has_two_segments_and_offsets_into_each_text(uncased):
    encoding = uncased.encode("the owner", "is naive")
    first, second = encoding.segment_ids == 0, encoding.segment_ids == 1
    assert encoding.tokens[0] == "[CLS]"
    assert [encoding.tokens[position] for position in np.flatnonzero(encoding.token_ids == uncased.sep_id)] == [
        "[SEP]"
    ] * 2
    assert first[: first.sum()].all()
    assert second[first.sum() :].all()
    assert encoding.token_ids.dtype == encoding.segment_ids.dtype == encoding.offsets.dtype == np.int32
    assert encoding.offsets.shape == (len(encoding), 2)
    pieces = [
        ("the owner", "is naive")[segment][begin:end]
        for segment, (begin, end) in zip(encoding.segment_ids, encoding.offsets, strict=True)
    ]
    assert "".join(pieces) == "theownerisnaive"


def test_empty_texts(uncased):
    assert uncased.encode("").tokens == ["[CLS]", "[SEP]"]
    assert uncased.encode("", "").tokens == ["[CLS]", "[SEP]", "[SEP]"]
    assert uncased.encode_batch([]) == []
    assert [len(ids) for ids in uncased.encode_ids(["", " \n"])] == [0, 0]


def test_truncation_of_one_text(uncased):
    whole = uncased.encode(TEXTS[0])
    cut = uncased.encode(TEXTS[0], max_length=7)
    assert len(cut) == 7
    assert cut.tokens == [*whole.tokens[:6], "[SEP]"]
    assert uncased.encode(TEXTS[0], max_length=2).tokens == ["[CLS]", "[SEP]"]
    with pytest.raises(ValueError, match="max_length must be at least 2 .* got 1"):
        uncased.encode("a", max_length=1)
    with pytest.raises(ValueError, match="max_length must be at least 3 .* got 2"):
        uncased.encode("a", "b", max_length=2)


_LETTERS = Tokenizer.train(["a b c d e f g"] * 3, vocabulary_size=64)


def test_padding(uncased):
    encodings = uncased.encode_batch(["the", "the owner is naive"])
    longest = len(encodings[1])
    inputs = uncased.pad(encodings, multiple_of=8)
    assert {name: value.dtype for name, value in inputs.items()} == {
        "token_ids": np.int32,
        "segment_ids": np.int32,
        "padding_mask": bool,
    }
    assert all(value.shape == (2, -(-longest // 8) * 8) for value in inputs.values())
    np.testing.assert_array_equal(inputs["padding_mask"].sum(1), [len(encoding) for encoding in encodings])
    assert (inputs["token_ids"][~inputs["padding_mask"]] == uncased.pad_id).all()
    assert uncased.pad(encodings, length=30)["token_ids"].shape == (2, 30)
    assert uncased.pad([])["token_ids"].shape == (0, 0)
    with pytest.raises(ValueError, match=f"longest encoding, {longest}, got 4"):
        uncased.pad(encodings, length=4)


def test_words_start_where_pieces_do_not_continue(uncased):
    assert uncased.word_start.shape == (uncased.vocabulary_size,)
    for id in range(uncased.vocabulary_size):
        assert uncased.word_start[id] == (not uncased.token(id).startswith("##"))
    with pytest.raises(ValueError, match="id must be from 0 to"):
        uncased.token(uncased.vocabulary_size)


def test_save_and_load(uncased, cased, tmp_path):
    for tokenizer in (uncased, cased):
        tokenizer.save(tmp_path)
        assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]  # nothing temporary is left
        for path in (tmp_path, str(tmp_path / "tokenizer.json")):
            loaded = Tokenizer.load(path)
            assert loaded.sha256 == tokenizer.sha256
            assert loaded.lowercase == tokenizer.lowercase
            for text in [*TEXTS, "[MASK]"]:
                np.testing.assert_array_equal(loaded.encode(text).token_ids, tokenizer.encode(text).token_ids)


def test_the_file_also_serves_the_tokenizers_library(uncased, tmp_path):
    uncased.save(tmp_path / "other.json")
    plain = tokenizers.Tokenizer.from_file(str(tmp_path / "other.json"))
    for text in TEXTS:
        assert plain.encode(text, "things").tokens == uncased.encode(text, "things").tokens
        assert plain.encode(text, "things").type_ids == uncased.encode(text, "things").segment_ids.tolist()


def test_truncation_and_padding_in_a_file_are_ignored(uncased):
    backend = tokenizers.Tokenizer.from_str(uncased.to_json())
    backend.enable_truncation(4)
    backend.enable_padding(length=50)
    loaded = Tokenizer.from_json(backend.to_str())
    assert loaded.encode(TEXTS[0]).tokens == uncased.encode(TEXTS[0]).tokens


def broken_files(good: str):
    content = json.loads(good)
    yield "", "expected the JSON of a tokenizer"
    yield "{", "expected the JSON of a tokenizer"
    yield "[1, 2]", "expected the JSON of a tokenizer"
    yield "{}", "expected the JSON of a tokenizer"
    yield "[" * 100_000, "expected the JSON of a tokenizer"
    yield good[: len(good) // 2], "expected the JSON of a tokenizer"
    yield json.dumps({**content, "model": {"type": "WordPiece"}}), "expected the JSON of a tokenizer: .*"
    words = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    yield json.dumps({**content, "model": words, "added_tokens": []}), "or Unigram tokenizer, got WordLevel"
    model = content["model"]
    prefix = {**model, "continuing_subword_prefix": "@@"}
    yield json.dumps({**content, "model": prefix}), "expected the prefix '##' .* got '@@'"
    others = {token: id for token, id in model["vocab"].items() if token not in ("[MASK]", "[PAD]")}
    yield (
        json.dumps({**content, "model": {**model, "vocab": others}, "added_tokens": []}),
        r"lacks .* pad \(\[PAD\] or <pad>\), mask \(\[MASK\] or <mask>\)",
    )
    holes = {**model["vocab"], "hole": 5000}
    yield json.dumps({**content, "model": {**model, "vocab": holes}}), "are not 0 to"


def test_a_file_that_is_no_tokenizer_gives_one_line(uncased, tmp_path):
    for text, message in broken_files(uncased.to_json()):
        file = tmp_path / "tokenizer.json"
        file.write_text(text)
        with pytest.raises(DataError, match=message) as caught:
            Tokenizer.load(file)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"tokenizer\.json: there is no such tokenizer file"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        Tokenizer.load(tmp_path)
    with pytest.raises(DataError, match="cannot be read: Not a directory"):
        Tokenizer.load(tmp_path / "tokenizer.json" / "below")


@given(st.text(max_size=200))
def test_no_json_like_text_escapes_as_another_error(text):
    with pytest.raises(DataError):
        Tokenizer.from_json(text)


def test_training_is_the_same_in_another_process(tmp_path):
    """The library's own trainer numbers pieces in the order of a randomly seeded hash map."""
    program = (
        "import sys; from kerastx.text.tokenizer import Tokenizer; from pathlib import Path\n"
        "texts = [f'{a}{b} {b}{c}a{d}' for a in 'abcd' for b in 'efgh' for c in 'ijkl' for d in 'mnop']\n"
        "print(Tokenizer.train(texts, vocabulary_size=120).sha256)"
    )
    hashes = {subprocess.check_output([sys.executable, "-c", program], text=True) for _ in range(3)}
    assert len(hashes) == 1


def test_training_reads_an_iterator_and_a_stream_alike():
    class Stream:
        def __iter__(self):
            return iter(TEXTS)

    assert (
        Tokenizer.train(Stream(), vocabulary_size=150).sha256
        == Tokenizer.train(iter(TEXTS), vocabulary_size=150).sha256
    )


def test_the_vocabulary_has_the_size_asked_for_and_its_most_frequent_words():
    texts = [f"often{number % 7} rare{number}" for number in range(2000)]
    tokenizer = Tokenizer.train(texts, vocabulary_size=90)
    assert tokenizer.vocabulary_size == 90
    assert tokenizer.encode("often3").tokens[1:-1] == ["often3"]


def test_rare_characters_get_no_place():
    text = "the plain text " * 2000
    tokenizer = Tokenizer.train([text, "ẅ"], vocabulary_size=80, lowercase=False)
    assert tokenizer.encode("ẅ").tokens[1:-1] == ["[UNK]"]
    assert tokenizer.encode("plain").tokens[1:-1] == ["plain"]


def test_more_characters_than_places_leave_room_for_pieces():
    characters = "".join(chr(0x4E00 + number) for number in range(500))
    tokenizer = Tokenizer.train([characters, "的的的是是是的是"], vocabulary_size=100)
    assert tokenizer.vocabulary_size <= 100
    assert tokenizer.encode("的是").tokens[1:-1] == ["的", "是"]


def test_training_arguments():
    with pytest.raises(ValueError, match="vocabulary_size must be at least 64, got 10"):
        Tokenizer.train(TEXTS, vocabulary_size=10)
    for nothing in ([], ["", "  "], ["\ud800"]):
        with pytest.raises(DataError, match="no text to train"):
            Tokenizer.train(nothing, vocabulary_size=100)


def test_lone_surrogates_are_survived(uncased):
    encoding = uncased.encode("the \ud800owner")
    assert encoding.tokens == uncased.encode("the owner").tokens
    assert encoding.offsets[2].tolist()[0] == 5
    Tokenizer.train([*TEXTS, "a\udfffb"], vocabulary_size=100)


def test_one_string_is_not_a_batch(uncased):
    with pytest.raises(TypeError, match="texts must be a list of strings, got one string"):
        uncased.encode_batch("the owner")
    with pytest.raises(ValueError, match="pairs must be as many as texts, got 1 and 2"):
        uncased.encode_batch(["a", "b"], ["c"])


def test_decoding_leaves_special_tokens_out(uncased):
    encoding = uncased.encode("the owner is naive", "the things")
    assert uncased.decode(encoding.token_ids) == "the owner is naive the things"


def test_threads_share_a_tokenizer(uncased):
    expected = [uncased.encode(text, max_length=5 + number % 9).tokens for number, text in enumerate(TEXTS * 20)]
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda job: uncased.encode(job[1], max_length=5 + job[0] % 9).tokens, enumerate(TEXTS * 20))
        )
    assert found == expected


@given(st.text(max_size=80))
def test_any_text_is_encoded_with_offsets_inside_of_it(text):
    encoding = _LETTERS.encode(text)
    ids = _LETTERS.encode_ids([text])[0]
    np.testing.assert_array_equal(encoding.token_ids[1:-1], ids)
    assert encoding.tokens[0] == "[CLS]"
    assert encoding.tokens[-1] == "[SEP]"
    inner = encoding.offsets[1:-1]
    assert ((inner[:, 0] >= 0) & (inner[:, 0] <= inner[:, 1]) & (inner[:, 1] <= len(text))).all()
    assert (np.diff(inner[:, 0]) >= 0).all()


@given(st.text(alphabet="abcdefg ", max_size=60))
def test_offsets_cut_the_words_out_of_the_text(text):
    tokenizer = Tokenizer.from_json(_LETTERS.to_json())
    encoding = tokenizer.encode(text)
    known = [
        (token, *span)
        for token, span in zip(encoding.tokens, encoding.offsets.tolist(), strict=True)
        if token not in SPECIAL_TOKENS
    ]
    for token, begin, end in known:
        assert text[begin:end] == token.removeprefix("##")


@given(st.lists(st.sampled_from("abcdefg"), max_size=30))
def test_known_words_survive_the_round_trip(words):
    text = " ".join(words)
    assert _LETTERS.decode(_LETTERS.encode(text).token_ids) == text
