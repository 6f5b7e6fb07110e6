from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.errors import DataError
from kerastx.text.byte_bpe_training import MINIMUM_BYTE_VOCABULARY
from kerastx.text.tokenizer import Tokenizer

TEXTS = [
    "ROMEO:\nBut, soft! what light through yonder window breaks?\n",
    "It is the east, and Juliet is the sun.\n",
    "Arise, fair sun, and kill the envious moon,\n\n    Who is already sick — sick with grief;\n",
    "今天天气很好。\n今天我们去看天气。\n",
]
KINDS = ("byte_bpe", "characters")


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request) -> Tokenizer:
    return Tokenizer.train(TEXTS, vocabulary_size=320, kind=request.param)


@settings(max_examples=50)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back_exactly(tokenizer, text):
    (ids,) = tokenizer.encode_ids([text])
    assert tokenizer.unknown_id not in ids
    assert tokenizer.decode(ids) == text


def test_texts_stand_between_start_and_end(tokenizer):
    encoding = tokenizer.encode("the sun", max_length=64)
    assert (encoding.token_ids[0], encoding.token_ids[-1]) == (tokenizer.cls_id, tokenizer.sep_id)
    assert encoding.tokens[0] == "<s>"
    assert encoding.tokens[-1] == "</s>"
    assert tokenizer.decode(encoding.token_ids) == "the sun"


def test_a_character_is_a_piece_or_its_bytes():
    tokenizer = Tokenizer.train(TEXTS, vocabulary_size=320, kind="characters")
    (ids,) = tokenizer.encode_ids(["the sun 今天"])
    assert [tokenizer.decode([token_id]) for token_id in ids] == list("the sun 今天")
    assert len(tokenizer.encode_ids(["猫"])[0]) == len("猫".encode())


def test_pieces_are_longer_than_characters_in_byte_bpe():
    tokenizer = Tokenizer.train(TEXTS, vocabulary_size=320, kind="byte_bpe")
    assert len(tokenizer.encode_ids(["is the sun"])[0]) == 3


def test_the_same_texts_give_the_same_vocabulary_in_every_process():
    program = (
        "import hashlib; from kerastx.text.tokenizer import Tokenizer; "
        f"texts = {TEXTS!r}; "
        f"print(*(Tokenizer.train(texts, vocabulary_size=320, kind=kind).sha256 for kind in {KINDS!r}))"
    )
    printed = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert printed == {
        " ".join(Tokenizer.train(iter(TEXTS), vocabulary_size=320, kind=kind).sha256 for kind in KINDS) + "\n"
    }


def test_a_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.sha256 == tokenizer.sha256 == hashlib.sha256(tokenizer.to_json().encode()).hexdigest()
    assert (loaded.encode(TEXTS[2]).token_ids == tokenizer.encode(TEXTS[2]).token_ids).all()


def test_lone_surrogates_are_no_error(tokenizer):
    with_surrogates = Tokenizer.train(["a \ud800 b", "a \ud800 b"], vocabulary_size=300, kind="byte_bpe")
    assert with_surrogates.decode(with_surrogates.encode_ids(["\ud800"])[0]) == "\ufffd"


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=f"at least {MINIMUM_BYTE_VOCABULARY}, the bytes and the special tokens"):
        Tokenizer.train(TEXTS, vocabulary_size=260, kind="byte_bpe")
    with pytest.raises(ValueError, match="kind must be one of wordpiece, byte_bpe, characters, got 'bpe'"):
        Tokenizer.train(TEXTS, vocabulary_size=320, kind="bpe")
    with pytest.raises(ValueError, match="keeps texts as they are, got lowercase=True"):
        Tokenizer.train(TEXTS, vocabulary_size=320, kind="characters", lowercase=True)
    with pytest.raises(DataError, match="no text to train a tokenizer on"):
        Tokenizer.train(["", ""], vocabulary_size=320, kind="byte_bpe")
