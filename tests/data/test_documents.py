from __future__ import annotations

import numpy as np
import pytest
from generated_text import documents, text, vocabulary

from kerastx.data import documents as documents_module
from kerastx.data import parts
from kerastx.data.corpus import list_files
from kerastx.data.documents import PartMaker, Reading
from kerastx.data.near_duplicates import MINIMUM_WORDS
from kerastx.data.parts import is_whole, read_part
from kerastx.data.shards import plan_shards


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """150 documents, from very short to long."""
    file = tmp_path_factory.mktemp("documents") / "corpus.txt"
    source = documents(np.random.default_rng(0), vocabulary(2000))
    texts = ["Short.", "Short.", *(text(next(source)) for _ in range(150)), "The end."]
    file.write_text("\n\n".join(texts), encoding="utf-8")
    return plan_shards(list_files([file]), "blank")[0]


def arrays_of(path):
    found = {kind: [] for kind in (parts.TOKENS, parts.LENGTHS, parts.DOCUMENTS, parts.SIGNATURES)}
    for kind, values in read_part(path, *found):
        found[kind].append(values)
    return [np.concatenate(blocks) for blocks in found.values()]


def test_a_part_tells_about_each_document(store, shard, tmp_path):
    PartMaker(store.tokenizer, Reading(deduplicate=True)).make(tmp_path / "part", shard)
    assert is_whole(tmp_path / "part")
    tokens, lengths, table, signatures = arrays_of(tmp_path / "part")
    assert len(tokens) == lengths.sum() == table["num_tokens"].sum()
    assert len(lengths) == table["num_sentences"].sum()
    assert len(table) == 153
    assert table["in_language"].all()
    assert table["digest"][0] == table["digest"][1]
    assert len(set(table["digest"].tolist())) == 152
    assert not table["has_signature"][[0, 1, -1]].any()
    assert table["has_signature"][2:-1].sum() > 100
    assert signatures.shape == (table["has_signature"].sum(), parts.SIGNATURE_SIZE)


@pytest.mark.parametrize("sentences", [1, 2, 7])
def test_a_document_that_comes_in_batches_is_the_same_one(store, shard, tmp_path, monkeypatch, sentences):
    maker = PartMaker(store.tokenizer, Reading(deduplicate=True))
    maker.make(tmp_path / "part", shard)
    monkeypatch.setattr(documents_module, "BATCH_SENTENCES", sentences)
    maker.make(tmp_path / "batches", shard)
    for whole, batched in zip(arrays_of(tmp_path / "part"), arrays_of(tmp_path / "batches"), strict=True):
        np.testing.assert_array_equal(whole, batched)


def test_without_deduplication_nothing_is_signed(store, shard, tmp_path):
    PartMaker(store.tokenizer, Reading()).make(tmp_path / "part", shard)
    assert not arrays_of_kind(tmp_path / "part", parts.SIGNATURES)
    assert MINIMUM_WORDS > 2


def arrays_of_kind(path, kind):
    return [values for _, values in read_part(path, kind)]


@pytest.mark.parametrize("damage", ["cut", "changed", "longer", "empty"])
def test_a_damaged_part_is_told(store, shard, tmp_path, damage):
    path = tmp_path / "part"
    PartMaker(store.tokenizer, Reading()).make(path, shard)
    data = bytearray(path.read_bytes())
    if damage == "changed":
        data[len(data) // 2] ^= 1
    path.write_bytes({"cut": data[:-1], "changed": data, "longer": data + b"x", "empty": b""}[damage])
    assert not is_whole(path)
    assert not is_whole(tmp_path / "none")


def test_nothing_is_left_of_a_part_that_failed(store, tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(b"Fine.\n\xff\n")
    shard = plan_shards(list_files([file]), "blank")[0]
    with pytest.raises(Exception, match=r"a\.txt:2"):
        PartMaker(store.tokenizer, Reading()).make(tmp_path / "part", shard)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
