from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kerastx.errors import DataError
from kerastx.text.huggingface_files import WritingIds
from kerastx.text.marian_files import read_marian_tokenizers
from kerastx.text.tokenizer import Tokenizer

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "writers"


def ids_of(folder: Path) -> WritingIds:
    values = json.loads((folder / "config.json").read_text())
    return WritingIds(begin=(values["pad_token_id"],), end=(0,), pad=values["pad_token_id"])


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(GOLDEN / "marian", tmp_path / "marian"))


def test_each_side_cuts_as_its_own_model(folder):
    source, target = read_marian_tokenizers(folder, ids_of(folder))
    assert source.vocabulary_size == target.vocabulary_size
    text = "The owner of the café"
    assert source.encode(text).tokens != target.encode(text).tokens
    for tokenizer in (source, target):
        encoding = tokenizer.encode(text)
        assert encoding.token_ids[-1] == 0
        assert tokenizer.template.before == ()
    assert source.decode(source.encode("  The  owner ").token_ids) == "The owner"


def test_pieces_of_the_other_side_are_read_back(folder):
    source, target = read_marian_tokenizers(folder, ids_of(folder))
    ids = source.encode("The owner paid for things.").token_ids
    assert target.decode(ids) == source.decode(ids) == "The owner paid for things."


def test_a_language_code_is_one_token(folder):
    source, _ = read_marian_tokenizers(folder, ids_of(folder))
    for tokenizer in (source, Tokenizer.from_json(source.to_json())):
        with_code = tokenizer.encode(">>fra<< The owner")
        assert with_code.tokens[0] == ">>fra<<"
        assert with_code.token_ids[1:].tolist() == tokenizer.encode("The owner").token_ids.tolist()


def test_two_vocabularies():
    folder = GOLDEN / "marian-two-tables"
    source, target = read_marian_tokenizers(folder, ids_of(folder))
    found = [json.loads((folder / name).read_text()) for name in ("vocab.json", "target_vocab.json")]
    for tokenizer, vocabulary in zip((source, target), found, strict=True):
        names = [tokenizer.token(number).strip() for number in range(tokenizer.vocabulary_size)]
        assert names == sorted(vocabulary, key=vocabulary.__getitem__)


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ("[]", r"vocab\.json: expected a JSON object"),
        ('{"a": 1}', r"vocab\.json: expected a JSON object of tokens with the ids 0 to 0"),
        ('{"a": true}', r"vocab\.json: expected a JSON object of tokens with the ids 0 to 0"),
        ('{"</s>": 0, "a": 1}', r"vocab\.json: the model writes with the token ids \[\d+\], of which"),
    ],
)
def test_broken_vocabularies_are_refused(folder, vocabulary, message):
    ids = ids_of(folder)
    (folder / "vocab.json").write_text(vocabulary)
    with pytest.raises(DataError, match=message):
        read_marian_tokenizers(folder, ids)


def test_a_vocabulary_without_an_unknown_token_is_refused(folder):
    ids = ids_of(folder)
    text = (folder / "vocab.json").read_text()
    (folder / "vocab.json").write_text(text.replace('"<unk>"', '"<oov>"'))
    with pytest.raises(DataError, match=r"vocab\.json: the tokenizer lacks the special tokens '<unk>'"):
        read_marian_tokenizers(folder, ids)


def test_a_model_that_is_missing_is_named(folder):
    (folder / "target.spm").unlink()
    with pytest.raises(DataError, match=r"target\.spm: cannot be read"):
        read_marian_tokenizers(folder, ids_of(folder))
