from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from generated_text import write_corpus

from kerastx.data import documents as documents_module
from kerastx.data.corpus import list_files, read_sentences
from kerastx.data.prepare import prepare
from kerastx.data.store import open_store
from kerastx.errors import DataError
from kerastx.text.tokenizer import Tokenizer

CHINESE = "今天天气很好。我们去公园看花。\n花很美。\n\n明天我们去看海。海很大，天很蓝。\n"


def sentences_of(store):
    bounds = zip(store.sentences, store.sentences[1:], strict=False)
    return [store.tokens[begin:end].tolist() for begin, end in bounds]


def test_a_store_holds_the_tokens_of_the_corpus(store, corpus_file):
    sentences = list(read_sentences(list_files([corpus_file])))
    assert store.num_sentences == len(sentences)
    assert store.num_documents == 150
    starts = {number for number, sentence in enumerate(sentences) if sentence.starts_document}
    assert set(store.documents[:-1].tolist()) == starts
    expected = store.tokenizer.encode_ids([sentence.text for sentence in sentences])
    assert sentences_of(store) == [ids.tolist() for ids in expected]
    counts = np.bincount(store.tokens)
    shares = counts[counts > 0] / counts.sum()
    assert store.unigram_entropy == pytest.approx(-(shares * np.log(shares)).sum())
    assert store.manifest["num_unknown_tokens"] == 0


def test_preparing_twice_gives_the_same_data(store, corpus_file, tmp_path):
    assert prepare([corpus_file], tmp_path / "again", vocabulary_size=100).sha256 == store.sha256


def test_batches_make_no_difference(store, corpus_file, tmp_path, monkeypatch):
    monkeypatch.setattr(documents_module, "BATCH_SENTENCES", 7)
    monkeypatch.setattr(documents_module, "BATCH_CHARACTERS", 200)
    assert prepare([corpus_file], tmp_path / "again", tokenizer=store.tokenizer).sha256 == store.sha256


def test_a_given_tokenizer_is_used(store, tmp_path):
    (tmp_path / "a.txt").write_text("A fox watches.\n\nThe [MASK] follows the café.")
    made = prepare([tmp_path / "a.txt"], tmp_path / "store", tokenizer=store.tokenizer)
    assert made.tokenizer.sha256 == store.tokenizer.sha256
    assert not set(made.tokens.tolist()) & {store.tokenizer.pad_id, store.tokenizer.mask_id, store.tokenizer.cls_id}
    assert made.manifest["num_unknown_tokens"] == (made.tokens == store.tokenizer.unknown_id).sum() > 0


def test_sentences_without_tokens_pass_their_document_start_on(store, tmp_path):
    (tmp_path / "a.txt").write_text("\u200b\u200b.\x00\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text(
        "The fox.\n\n\u0001\u0002\n\n\u0003\nThe dog. The cat.\n\n\u0004\n", encoding="utf-8"
    )
    made = prepare([tmp_path / "b.txt"], tmp_path / "store", tokenizer=store.tokenizer)
    assert made.documents.tolist() == [0, 1, 3]


def test_cased_uncased_and_chinese(tmp_path):
    (tmp_path / "a.txt").write_text("The Fox met the fox. " * 5 + "\n\n" + CHINESE)
    uncased = prepare([tmp_path / "a.txt"], tmp_path / "uncased", vocabulary_size=100)
    cased = prepare([tmp_path / "a.txt"], tmp_path / "cased", vocabulary_size=100, lowercase=False)
    assert uncased.tokenizer.lowercase
    assert not cased.tokenizer.lowercase
    assert "Fox" in [cased.tokenizer.token(id) for id in cased.tokens]
    assert uncased.tokenizer.decode(uncased.tokens[:5]) == "the fox met the fox"
    for store in (uncased, cased):
        assert store.num_documents == 3
        last = sentences_of(store)[-2:]
        assert [store.tokenizer.decode(ids).replace(" ", "") for ids in last] == [
            "明天我们去看海。",
            "海很大，天很蓝。",
        ]


def test_document_modes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("# Title one\n\nA fox.\n\nA dog.\n# Title two\nA cat.")
    found = {
        mode: prepare([tmp_path / "a.txt", tmp_path / "b.txt"], tmp_path / mode, vocabulary_size=64, documents=mode)
        for mode in ("blank", "file", "heading")
    }
    assert {mode: made.num_documents for mode, made in found.items()} == {"blank": 6, "file": 2, "heading": 4}
    assert found["heading"].manifest["documents_mode"] == "heading"


def test_progress_tells_phase_and_bytes(corpus_file, tmp_path):
    reports = []
    prepare([corpus_file], tmp_path / "store", vocabulary_size=64, progress=lambda *report: reports.append(report))
    size = corpus_file.stat().st_size
    assert list(dict.fromkeys(phase for phase, _, _ in reports)) == ["characters", "vocabulary", "tokens"]
    assert all(0 <= done <= total == size for _, done, total in reports)
    assert reports[-1] == ("tokens", size, size)


def test_nothing_is_left_of_a_failure(store, tmp_path):
    empty, broken = tmp_path / "empty.txt", tmp_path / "broken.txt"
    empty.write_text(" \n\n")
    broken.write_bytes(b"A fox.\nA \xe9.")
    for options in ({"vocabulary_size": 64}, {"tokenizer": store.tokenizer}):
        with pytest.raises(DataError, match=r"no text to train|the corpus is empty: no text was found in .*empty\.txt"):
            prepare([empty], tmp_path / "out", **options)
        with pytest.raises(DataError, match=r"broken\.txt:2: expected UTF-8"):
            prepare([broken], tmp_path / "out", **options)
        with pytest.raises(DataError, match="there is no such file"):
            prepare([tmp_path / "none"], tmp_path / "out", **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.txt", "empty.txt"]
    prepare([broken], tmp_path / "out", vocabulary_size=64, encoding_errors="replace")


def test_an_existing_output_is_refused_before_the_work(store, corpus_file, tmp_path):
    calls = []
    with pytest.raises(DataError, match="exists already"):
        prepare([corpus_file], store.path, vocabulary_size=64, progress=lambda *report: calls.append(report))
    assert not calls


def test_it_takes_one_of_vocabulary_size_and_tokenizer(store, corpus_file, tmp_path):
    with pytest.raises(ValueError, match="got both"):
        prepare([corpus_file], tmp_path / "out", vocabulary_size=64, tokenizer=store.tokenizer)
    with pytest.raises(ValueError, match="got neither"):
        prepare([corpus_file], tmp_path / "out")


def test_an_output_that_cannot_be_made(corpus_file, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file/out: the token store cannot be written: "):
        prepare([corpus_file], tmp_path / "file" / "out", vocabulary_size=64)


@pytest.mark.parametrize("option", ["workers", "vocabulary_megabytes"])
def test_counts_are_positive(corpus_file, tmp_path, option):
    with pytest.raises(ValueError, match=f"{option} must be at least 1, got 0"):
        prepare([corpus_file], tmp_path / "out", vocabulary_size=64, **{option: 0})


def test_the_vocabulary_of_a_large_corpus_comes_from_a_sample(tmp_path):
    write_corpus(tmp_path / "a.txt", 1_300_000, num_words=500)
    totals = {}
    store = prepare(
        [tmp_path / "a.txt"],
        tmp_path / "out",
        vocabulary_size=300,
        vocabulary_megabytes=1,
        workers=1,
        progress=lambda phase, done, total: totals.update({phase: total}),
    )
    assert 900_000 < totals["characters"] == totals["vocabulary"] < 1_010_000
    assert totals["tokens"] == (tmp_path / "a.txt").stat().st_size
    assert store.tokenizer.vocabulary_size == 300


def test_real_text(real_data, tmp_path):
    valid = real_data / "wikitext2" / "valid.txt"
    if not valid.exists():
        pytest.skip(f"{valid} is not there")
    store = prepare([valid], tmp_path / "store", vocabulary_size=4000, documents="heading")
    assert store.num_documents == 60  # articles of the validation set
    assert store.tokenizer.decode(store.tokens[: store.sentences[1]]) == "homarus gammarus"
    assert 7_000 < store.num_sentences < 10_000
    assert 5.5 < store.unigram_entropy < 7.5
    assert store.manifest["num_unknown_tokens"] / store.num_tokens < 1e-3
    assert open_store(tmp_path / "store").sha256 == store.sha256


MEASURE = """
import resource, sys
from kerastx.data.prepare import prepare
prepare([sys.argv[1]], sys.argv[2], vocabulary_size=2000, documents=sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
@pytest.mark.parametrize("kind", ["documents", "one line", "one line without a full stop"])
def test_memory_does_not_grow_with_the_corpus(tmp_path, kind):
    words = [f"{a}{b}{c}" for a in "bcdfgklm" for b in "aeiou" for c in ("n", "ster", "ling", "tion", "dor")]
    pick = np.random.default_rng(0)
    stop = "" if kind.endswith("full stop") else "."
    sentences = [" ".join(pick.choice(words, 15)).capitalize() + stop for _ in range(20_000)]
    separator = "\n\n" if kind == "documents" else " "
    peaks = {}
    for repeats in (1, 25):  # 2 and 50 MB
        file = tmp_path / f"{repeats}.txt"
        with file.open("w") as stream:
            for _ in range(repeats):
                stream.writelines(sentence + separator for sentence in sentences)
        output = subprocess.check_output(
            [sys.executable, "-c", MEASURE, file, tmp_path / f"s{repeats}", "blank"], text=True
        )
        peaks[repeats] = int(output) / 1024
    assert file.stat().st_size > 40_000_000
    assert peaks[25] < 400
    assert peaks[25] < peaks[1] + 60


def test_the_module_needs_no_tensorflow():
    program = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "import kerastx.data.prepare, kerastx.data.readers, kerastx.data.python_docs, kerastx.data.sentence_pairs"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_tokenizer_from_a_store_is_the_stores_own(store):
    assert Tokenizer.load(store.path).sha256 == store.tokenizer.sha256


@pytest.mark.parametrize("kind", ["byte_bpe", "characters"])
def test_a_store_for_models_that_write_holds_the_text_itself(kind, tmp_path):
    text = "ROMEO:\n  But, soft!\n\nJULIET:\n  Ay me!\n" * 3
    (tmp_path / "a.txt").write_text(text)
    store = prepare([tmp_path / "a.txt"], tmp_path / "store", vocabulary_size=280, kind=kind, documents="file")
    assert store.manifest["exact"]
    assert store.tokenizer.decode(store.tokens) == text
    same = prepare([tmp_path / "a.txt"], tmp_path / "same", tokenizer=store.tokenizer, documents="file", exact=True)
    assert same.sha256 == store.sha256
    sentences = prepare([tmp_path / "a.txt"], tmp_path / "other", tokenizer=store.tokenizer, documents="file")
    assert not sentences.manifest["exact"]
    assert "\n" not in store.tokenizer.decode(sentences.tokens)
