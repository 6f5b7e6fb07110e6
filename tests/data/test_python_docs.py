from __future__ import annotations

import collections
import re

import pytest

from kerastx.data import python_docs
from kerastx.data.corpus import list_files, read_sentences
from kerastx.data.python_docs import PACKAGES, docstrings, labelled_examples, topics, write_corpus, write_labelled
from kerastx.data.readers import read_labelled
from kerastx.errors import DataError


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("docs"))


@pytest.fixture(scope="module")
def labelled():
    return labelled_examples()


def test_the_corpus_is_about_two_megabytes_of_documents(corpus):
    assert corpus.name == "python_docs.md"
    assert 1_500_000 < corpus.stat().st_size < 3_000_000
    sentences = list(read_sentences(list_files([corpus]), documents="heading"))
    titles = [sentence.text for sentence in sentences if sentence.starts_document]
    assert len(sentences) > 15_000
    assert len(titles) == len(set(titles)) > 1000
    headings = re.findall("^# (.*)$", corpus.read_text(encoding="utf-8"), re.MULTILINE)
    assert titles == headings  # no docstring has a line that reads as a heading
    assert "json.decoder" in titles
    assert "json.decoder.JSONDecoder" in titles
    assert "help LAMBDAS" in titles or "help lambda" in titles


def test_the_corpus_is_the_same_every_time(corpus, tmp_path):
    assert write_corpus(tmp_path / "new" / "again.md").read_bytes() == corpus.read_bytes()


def test_topics_are_read_without_an_import():
    assert "lambda" in topics()
    assert "anonymous functions" in topics()["lambda"]


def test_docstrings_carry_their_full_names():
    by_name = {docstring.name: docstring for docstring in docstrings(["json"])}
    assert {docstring.module.partition(".")[0] for docstring in by_name.values()} == {"json"}
    assert by_name["json"].module == "json"
    assert by_name["json.decoder.JSONDecoder.decode"].module == "json.decoder"
    assert by_name["json.dumps"].text.startswith("Serialize ``obj`` to a JSON formatted ``str``.")


def test_examples_cover_all_packages_and_both_splits(labelled):
    train, dev = labelled
    assert len(PACKAGES) == 20
    for examples in labelled:
        assert examples.label_names == PACKAGES
        assert set(examples.labels) == set(PACKAGES)
        assert min(collections.Counter(examples.labels).values()) >= 3
    assert 2000 < len(train) < 5000
    assert 0.1 < len(dev) / (len(train) + len(dev)) < 0.2


def test_no_text_is_in_both_splits_or_twice(labelled):
    train, dev = labelled
    texts = [*train.texts, *dev.texts]
    assert len(set(texts)) == len(texts)


def test_the_packages_own_name_is_masked(labelled):
    for examples in labelled:
        for text, label in zip(examples.texts, examples.labels, strict=True):
            assert not re.search(rf"\b{label}\b", text, re.IGNORECASE)
            assert text == " ".join(text.split())
            assert len(text) >= 20


def test_files_hold_the_same_rows(labelled, tmp_path, monkeypatch):
    monkeypatch.setattr(python_docs, "labelled_examples", lambda: labelled)
    files = write_labelled(tmp_path / "new" / "folder")
    assert [file.name for file in files] == ["train.tsv", "dev.tsv"]
    for file, examples in zip(files, labelled, strict=True):
        read = read_labelled(file, labels=PACKAGES)
        assert (read.texts, read.labels) == (examples.texts, examples.labels)


def test_a_python_without_sources_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(python_docs.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(DataError, match="holds no source files of the standard library"):
        next(docstrings())
    assert topics() == {}


def test_files_that_are_not_python_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(python_docs.sysconfig, "get_path", lambda name: str(tmp_path))
    (tmp_path / "template.py").write_text("{{ not python }} (")
    (tmp_path / "nul.py").write_bytes(b"\0")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "skipped.py").write_text('"""A docstring that must not be read."""')
    (tmp_path / "fine.py").write_text(
        '"""A docstring that is long enough."""\n'
        'try:\n  pass\nexcept OSError:\n  def f(): "Another docstring, long enough."\n'
    )
    assert [docstring.name for docstring in docstrings()] == ["fine", "fine.f"]


def test_a_place_that_cannot_be_written_is_one_clear_error(labelled, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(python_docs, "labelled_examples", lambda: labelled)
    with pytest.raises(DataError, match=r"train\.tsv: cannot be written: "):
        write_labelled(tmp_path / "file")


def test_no_dev_row_is_in_the_corpus(corpus, labelled):
    train, dev = labelled
    content = " ".join(corpus.read_text(encoding="utf-8").split())

    def share(texts):  # of texts that name no package, so that nothing was masked out of them
        plain = [text for text in texts if "this package" not in text and len(text) > 60]
        return sum(text in content for text in plain) / len(plain)

    assert share(train.texts) > 0.5
    assert share(dev.texts) == 0
