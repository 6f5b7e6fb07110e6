from __future__ import annotations

import json

import numpy as np
import pytest

from kerastx.data import store_report
from kerastx.data.data_warnings import store_warnings
from kerastx.data.prepare import prepare
from kerastx.data.store_report import report_store

DOCUMENTS = ["Red cat. Blue cat.", "Red dog. Blue dog! Red dog?", "Red cat. Blue cat.", "One.", "red CAT. blue cat."]


@pytest.fixture
def small_store(tmp_path):
    (tmp_path / "corpus.txt").write_text("\n\n".join(DOCUMENTS), encoding="utf-8")
    return prepare([tmp_path / "corpus.txt"], tmp_path / "store", vocabulary_size=100)


def test_numbers_by_hand(make_numbered_store):
    store = make_numbered_store([[2, 3], [4], [1, 1, 1]])
    report = report_store(store, max_length=8)
    assert report.document_tokens.values.tolist() == [3, 4, 5]
    assert report.document_sentences.values.tolist() == [1, 2, 3]
    assert report.sentence_tokens.to_dict()["p50"] == 1
    assert (report.sentence_tokens.sum, report.sentence_tokens.maximum) == (12, 4)
    assert report.document_tokens.share_above(4) == pytest.approx(1 / 3)
    assert report.room == 5
    assert report.pairs == 3
    assert report.used_tokens == 12
    assert report.rare_tokens == 12
    assert report.duplicates == 0
    assert report.repeats == []
    assert report.unknown_share == 0.0
    assert report.pieces_per_word == 1.0


def test_repeated_documents_are_counted_and_shown(small_store):
    report = report_store(small_store)
    assert report.duplicates == 2  # the uncased tokenizer makes three documents the same
    assert len(report.repeats) == 1
    assert report.repeats[0].times == 3
    assert report.repeats[0].documents == (0, 2)
    assert report.repeats[0].text == "red cat. blue cat."


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
def test_chunks_do_not_change_the_report(monkeypatch, small_store, chunk):
    whole = report_store(small_store).to_dict()
    monkeypatch.setattr(store_report, "_CHUNK", chunk)
    assert report_store(small_store).to_dict() == whole


def test_counts_agree_with_the_arrays(store):
    report = report_store(store)
    sentences = np.diff(store.sentences)
    assert report.sentence_tokens.sum == store.num_tokens
    assert report.sentence_tokens.percentile(100) == sentences.max()
    assert report.document_tokens.sum == store.num_tokens
    assert report.document_sentences.sum == store.num_sentences
    assert report.token_counts.sum() == store.num_tokens
    assert report.frequent_tokens(1)[0][1] == report.token_counts.max()


def test_progress_ends_at_all_documents(store):
    seen = []
    report_store(store, progress=lambda *values: seen.append(values))
    assert seen[-1] == ("documents", 150, 150)


def test_the_report_is_json_with_what_the_manifest_says(small_store):
    small_store.manifest["removed"] = {"short": 3}
    values = json.loads(json.dumps(report_store(small_store).to_dict()))
    assert values["removed"] == {"short": 3}
    assert values["documents"] == 5
    assert values["duplicate_documents"] == 2
    assert values["sources"][0]["name"] == "corpus.txt"
    assert values["vocabulary"]["frequent"]["cat"] == 6


def test_what_is_wrong_is_said_in_words(small_store):
    lines = " | ".join(store_warnings(report_store(small_store)))
    assert "2 documents (40.0%) that repeat an earlier one; most often, 3 times: 'red cat. blue cat.'" in lines
    assert "40.0% of the documents have one sentence and give no pair" in lines
    assert "3 documents of two or more sentences, below 100: nothing is held out" in lines
    assert "29 tokens in all" in lines


def test_a_store_that_pretraining_refuses_is_noticed(make_numbered_store):
    lines = store_warnings(report_store(make_numbered_store([[3, 3], [4]])))
    assert any(line.startswith("only 1 document of two or more sentences: pretrain needs two") for line in lines)


def test_single_sentences_unused_and_unknown_tokens_are_noticed(tmp_path, small_store):
    (tmp_path / "other.txt").write_text("\n\n".join(["Зима", "red", "Blue dog. " + "Cat " * 40] * 2))
    other = prepare([tmp_path / "other.txt"], tmp_path / "other", tokenizer=small_store.tokenizer)
    lines = " | ".join(store_warnings(report_store(other, max_length=20)))
    assert "of the tokens are [UNK]: the tokenizer does not know this text" in lines
    assert "66.7% of the documents have one sentence and give no pair" in lines
    assert "of the vocabulary never occurs" in lines
    assert "2 documents of two or more sentences, below 100" in lines
    assert "25.0% of the sentences are longer than 17 tokens and are cut" in lines


def test_exact_text_needs_no_sentence_pairs_and_no_used_bytes(tmp_path):
    (tmp_path / "verse.txt").write_text("ROMEO:\nBut, soft! what light through yonder window breaks?\n\n" * 2000)
    wish = {"vocabulary_size": 300, "kind": "characters", "documents": "file"}
    exact = prepare([tmp_path / "verse.txt"], tmp_path / "exact", **wish)
    assert [line for line in store_warnings(report_store(exact)) if "tokens in all" not in line] == []
    sentences = prepare([tmp_path / "verse.txt"], tmp_path / "sentences", exact=False, **wish)
    assert "pretrain needs two such" in " ".join(store_warnings(report_store(sentences)))
