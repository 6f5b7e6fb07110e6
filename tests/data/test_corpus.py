from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastx.data import corpus
from kerastx.data.corpus import list_files, read_sentences
from kerastx.errors import DataError


@pytest.fixture
def documents_of(tmp_path):
    """Return a function: bytes or text -> the documents read from it, as lists of sentences."""

    def read(*contents, **options):
        folder = tmp_path / "corpus"
        folder.mkdir(exist_ok=True)
        for number, content in enumerate(contents):
            data = content.encode() if isinstance(content, str) else content
            (folder / f"{number}.txt").write_bytes(data)
        return grouped(read_sentences(list_files([folder]), **options))

    return read


def grouped(sentences):
    documents = []
    for text, starts_document in sentences:
        if starts_document:
            documents.append([])
        documents[-1].append(text)
    return documents


def test_blank_lines_separate_documents(documents_of):
    text = "One. Two.\n\n \t \nThree.\nFour.\n\n\n"
    assert documents_of(text) == [["One.", "Two."], ["Three.", "Four."]]


def test_each_file_is_a_document(documents_of):
    assert documents_of("One.\n\nTwo.", "Three.", "", "Four.", documents="file") == [
        ["One.", "Two."],
        ["Three."],
        ["Four."],
    ]


def test_files_separate_documents_in_every_mode(documents_of):
    for documents in ("blank", "file", "heading"):
        assert documents_of("One.", "Two.", documents=documents) == [["One."], ["Two."]]


def test_headings_start_documents_and_blank_lines_do_not(documents_of):
    text = (
        "Preface.\n# The Title\nOne.\n\nTwo.\n### Third #\n\nThree.\n = Wiki Title = \n\nFour.\n"
        " = = Part = = \nFive.\n== Other ==\n## Last\nSix."
    )
    assert documents_of(text, documents="heading") == [
        ["Preface."],
        ["The Title", "One.", "Two."],
        ["Third", "Three."],
        ["Wiki Title", "Four.", "Part", "Five.", "Other"],
        ["Last", "Six."],
    ]


@pytest.mark.parametrize("line", ["#hashtag", "####### seven", "= a", "a = b = c", "=====", "#", "= ="])
def test_what_is_not_a_heading(documents_of, line):
    found = documents_of(f"One.\n{line}\nTwo.", documents="heading")
    assert found == [["One.", f"{line} Two."]]


def test_headings_are_text_in_the_other_modes(documents_of):
    assert documents_of("# Title\n\nOne.", documents="file") == [["# Title", "One."]]


def test_wrapped_lines_are_joined(documents_of):
    text = "This sentence is wrap-\nped, and well-\nknown on\n  three lines. The\nnext one too.\nNot Mr.\nSmith."
    assert documents_of(text) == [
        ["This sentence is wrap-ped, and well-known on three lines.", "The next one too.", "Not Mr. Smith."]
    ]


def test_a_number_range_keeps_its_space(documents_of):
    assert documents_of("from 5 -\n7 and 3-\n4 of it.") == [["from 5 - 7 and 3- 4 of it."]]


def test_chinese_lines_are_joined_without_a_space(documents_of):
    assert documents_of("今天天气\n很好。我们，\n去公园。word\n中文。") == [
        ["今天天气很好。", "我们，去公园。", "word 中文。"]
    ]


def test_korean_lines_keep_their_space(documents_of):
    assert documents_of("오늘은\n날씨가 좋다.") == [["오늘은 날씨가 좋다."]]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_newline_works(documents_of, newline):
    text = newline.join(["One is", "wrapped.", "", "Two.", ""])
    assert documents_of(text) == [["One is wrapped."], ["Two."]]


def test_a_byte_order_mark_is_dropped(documents_of):
    assert documents_of(b"\xef\xbb\xbfOne.") == [["One."]]


def test_text_that_is_not_utf8_is_reported_with_its_line(documents_of):
    bad = b"Good.\n" * 5000 + "Café.\n".encode("latin-1") + b"Good.\n"
    with pytest.raises(
        DataError, match=r"0\.txt:5001: expected UTF-8 text, got byte 0xe9; .*--encoding-errors replace"
    ):
        documents_of(bad)
    found = documents_of(bad, encoding_errors="replace")
    assert found[0][5000] == "Caf\ufffd."


def test_an_error_in_an_endless_line_is_found(documents_of):
    with pytest.raises(DataError, match=r"0\.txt:2: expected UTF-8"):
        documents_of(b"One.\n" + "ä".encode() * 50_000 + b"\xff")


def test_a_line_without_end_is_read_in_pieces(documents_of):
    sentence = "The word and the other word of a long line go on. "
    found = documents_of(sentence * 5000)
    assert found == [[sentence.strip()] * 5000]


def test_a_sentence_end_between_two_pieces_is_found(documents_of, monkeypatch):
    text = 'One two "three." Four. 3.14 is pi... and e. Mr. Five. 六。七。'
    expected = documents_of(text)
    for limit in range(1, 20):
        monkeypatch.setattr(corpus, "MAXIMUM_READ", limit)
        assert documents_of(text) == expected


def test_text_without_sentence_ends_is_cut_at_spaces(documents_of):
    found = documents_of("word " * 20_000)[0]
    assert len(found) > 1
    assert max(map(len, found)) <= corpus.MAXIMUM_SENTENCE
    assert {word for sentence in found for word in sentence.split()} == {"word"}
    assert sum(len(sentence.split()) for sentence in found) == 20_000


def test_text_without_spaces_is_cut_anyway(documents_of):
    found = documents_of("x" * 100_000)[0]
    assert "".join(found) == "x" * 100_000
    assert max(map(len, found)) <= corpus.MAXIMUM_SENTENCE


def test_an_endless_line_takes_little_memory(tmp_path):
    file = tmp_path / "one_line.txt"
    with file.open("w") as stream:
        for _ in range(200):
            stream.write("some words without a full stop " * 1000)  # 6 MB
    tracemalloc.start()
    count = sum(len(sentence.text) for sentence in read_sentences(list_files([file])))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 6_000_000
    assert peak < 1_000_000


def test_folders_are_searched_in_order_for_text_and_markdown(tmp_path):
    for name in ("b.txt", "a/z.md", "a/A.TXT", "c.html", "a/.hidden.txt", "d.txt/e.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("x" * len(name))
    found = list_files([tmp_path])
    names = [str(file.path.relative_to(tmp_path)) for file in found]
    assert names == sorted(names)
    assert set(names) == {"b.txt", "a/z.md", "a/A.TXT", "a/.hidden.txt", "d.txt/e.txt"}
    assert [file.size_bytes for file in found] == [len(name) for name in names]
    assert [file.path.name for file in list_files([tmp_path / "c.html"])] == ["c.html"]  # named, so it is meant


def test_missing_input_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt: there is no such file or folder"):
        list_files([tmp_path / "none.txt"])
    with pytest.raises(DataError, match=r"holds no \.txt or \.md file"):
        list_files([tmp_path])
    with pytest.raises(DataError, match="no file or folder was given"):
        list_files([])
    with pytest.raises(DataError, match="expected a text file or a folder, got neither"):
        list_files(["/dev/null"])


def test_a_file_that_vanishes_is_one_clear_error(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("One.")
    files = list_files([file])
    file.unlink()
    with pytest.raises(DataError, match=r"a\.txt: cannot be read: No such file or directory"):
        list(read_sentences(files))


def test_wrong_options():
    with pytest.raises(ValueError, match="documents must be one of blank, file, heading, got 'line'"):
        next(read_sentences([], documents="line"))
    with pytest.raises(ValueError, match="encoding_errors must be strict or replace, got 'ignore'"):
        next(read_sentences([], encoding_errors="ignore"))


def test_progress_counts_bytes(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("One.\n" * 3000)
    reports = []
    list(read_sentences(list_files([tmp_path]), on_read=reports.append))
    assert reports == sorted(reports)
    assert reports[-1] == 30_000
    assert len(reports) > 4


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(st.text(alphabet=st.sampled_from(list("aB .!?。中#=-\u2028\ufeff\x00é")), max_size=30), max_size=12),
    documents=st.sampled_from(["blank", "file", "heading"]),
)
def test_no_letter_is_lost(tmp_path_factory, lines, documents):
    file = tmp_path_factory.mktemp("any") / "any.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    found = list(read_sentences(list_files([file]), documents=documents))
    assert all(sentence.text == sentence.text.strip() != "" for sentence in found)
    assert not found or found[0].starts_document
    letters = [character for line in lines for character in line if character.isalpha()]
    assert [character for sentence in found for character in sentence.text if character.isalpha()] == letters


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("any") / "any.txt"
    file.write_bytes(data)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        with pytest.raises(DataError, match=r"any\.txt:\d+: expected UTF-8"):
            list(read_sentences(list_files([file])))
    else:
        list(read_sentences(list_files([file])))
    list(read_sentences(list_files([file]), encoding_errors="replace"))


def test_exact_text_comes_back_to_the_letter(documents_of):
    text = "ACT I.\n\n  ROMEO:\n\tBut, soft!  What light?\n\n\nJULIET:\r\nAy me!"
    (document,) = documents_of(text, documents="file", exact=True)
    assert "".join(document) == text.replace("\r\n", "\n")
    assert document[:4] == ["ACT I.\n", "\n", "  ROMEO:\n", "\tBut, soft!  What light?\n"]


def test_blank_lines_between_exact_documents_are_no_part_of_them(documents_of):
    assert documents_of("\nOne. Two.\n  Three.\n \n\nFour.\n", exact=True) == [
        ["One. Two.\n", "  Three.\n"],
        ["Four.\n"],
    ]


def test_headings_stay_in_exact_documents(documents_of):
    assert documents_of("Preface.\n# One\n\na.\n== Two ==\n# Three\n", documents="heading", exact=True) == [
        ["Preface.\n"],
        ["# One\n", "\n", "a.\n", "== Two ==\n"],
        ["# Three\n"],
    ]


def test_a_long_exact_line_comes_in_pieces(documents_of, monkeypatch):
    monkeypatch.setattr(corpus, "MAXIMUM_READ", 10)
    text = "x" * 25 + "\n\ny\n"
    (document,) = documents_of(text, documents="file", exact=True)
    assert "".join(document) == text
    assert max(map(len, document)) == 10
