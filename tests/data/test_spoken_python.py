"""Functions read aloud: their words, what each name is, and a split by file."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerastx.data import spoken_python
from kerastx.data.python_docs import hash_percent
from kerastx.data.readers import read_labelled
from kerastx.data.spoken_python import DEV_PERCENT, LABELS, spoken_functions, write_entities, write_pairs
from kerastx.data.tagged import read_tagged
from kerastx.errors import DataError

SOURCE = '''
import os.path as paths


class Reader:
    async def getText(self, logLevel=None, *, max_size: int = 10):
        """Return the text.

        More of it.
        """
        found_here = paths.join(self.base_folder, "no such file", "two" "parts")
        if logLevel is None:
            raise ValueError(found_here, other)
        return self.readAll(size=max_size)


def short(): return 1


def with_format(a, b, c): return f"{a} {b} {c} and so on and on"
'''


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A function that puts files into a library of their own."""
    root = tmp_path / "library"

    def put(**files: str | bytes) -> None:
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / f"{name}.py").write_bytes(content if isinstance(content, bytes) else content.encode())

    monkeypatch.setattr(spoken_python, "library_root", lambda: root)
    monkeypatch.setattr(spoken_python, "library_files", lambda: sorted(Path(path.name) for path in root.glob("*.py")))
    return put


def test_words_and_what_they_are(library):
    library(reader=SOURCE)
    (function,) = spoken_functions()
    rows = [f"{word}/{tag}" for word, tag in zip(function.words, function.tags, strict=True)]
    expected = """
        async/O def/O get/B-FUNCTION text/I-FUNCTION self/B-PARAMETER log/B-PARAMETER level/I-PARAMETER none/O
        max/B-PARAMETER size/I-PARAMETER int/O 10/O
        found/B-VARIABLE here/I-VARIABLE paths/B-MODULE join/B-FUNCTION self/B-PARAMETER base/B-ATTRIBUTE
        folder/I-ATTRIBUTE no/B-STRING such/I-STRING file/I-STRING twoparts/B-STRING
        if/O log/B-PARAMETER level/I-PARAMETER is/O none/O raise/O value/B-CLASS error/I-CLASS found/B-VARIABLE
        here/I-VARIABLE other/O return/O self/B-PARAMETER read/B-FUNCTION all/I-FUNCTION size/B-PARAMETER
        max/B-PARAMETER size/I-PARAMETER
    """
    assert rows == expected.split()
    assert (function.file, function.summary, function.words[function.name_end]) == (
        "reader.py",
        "Return the text.",
        "self",
    )


def test_a_long_function_ends_with_a_whole_name(library):
    body = "".join(f"    first_part_{number} = call(second)\n" for number in "abcdefghijklmnop")
    library(long="def run(second):\n" + body)
    (function,) = spoken_functions()
    assert spoken_python.MOST_WORDS - 2 <= len(function.words) <= spoken_python.MOST_WORDS
    assert function.words[-1] in ("second", "call") or function.tags[-1] == "I-VARIABLE"


def test_what_cannot_be_read_is_left_out(library):
    function = "def read(first, second, third, fourth, fifth, sixth, seventh): pass\n"
    library(good=function, latin=f"# {chr(233)}\n{function}", broken="def (:\n", old="print 1\n")
    assert [found.file for found in spoken_functions()] == ["good.py"]


def test_train_and_dev_are_of_different_files(library, tmp_path):
    names = [f"file{number}" for number in range(60)]
    source = 'def {0}_get(self, first, second, third, fourth, fifth, sixth, {0}):\n    """What {0} is good for."""\n'
    library(**{name: source.format(name) + source.format("copy") for name in names})
    dev_names = {name for name in names if hash_percent(f"{name}.py") < DEV_PERCENT}
    assert 0 < len(dev_names) < 30
    train, dev = (read_tagged(file) for file in write_entities(tmp_path / "tags"))
    firsts = [{sentence.text.split(" ")[1] for sentence in part.sentences} for part in (train, dev)]
    assert firsts[0] == {"file", "copy"}
    assert len(train) == 60 - len(dev_names) + 1  # and the copy, once
    assert len(dev) == len(dev_names)
    assert not {sentence.text for sentence in train.sentences} & {sentence.text for sentence in dev.sentences}
    pairs, dev_pairs = (read_labelled(file, task="positives") for file in write_pairs(tmp_path / "pairs"))
    assert {text.split()[1] for text in dev_pairs.texts} == dev_names
    assert "self first second third fourth fifth sixth copy" in pairs.pairs
    assert not {*pairs.texts, *pairs.pairs} & {*dev_pairs.texts, *dev_pairs.pairs}


def test_a_text_of_train_is_not_asked_for_again(library, tmp_path):
    names = [f"file{number}" for number in range(60)]
    library(
        **{
            name: f'def {name}(one, two, three, four, five, six, seven, eight):\n    "What {name} does so well."\n'
            for name in names
        }
    )
    train, dev = write_pairs(tmp_path)
    assert len(read_labelled(train, task="positives")) > 30
    assert dev.read_text() == "query\tanswer\n"  # every function is that of train without its name


def test_a_name_that_is_no_word(library, tmp_path):
    library(some="def _(one, two, three, four, five, six, seven, eight): call()\n")
    (function,) = spoken_functions()
    assert function.name_end == 0


@pytest.mark.slow
def test_the_library_of_this_python(tmp_path):
    train, dev = (read_tagged(file) for file in write_entities(tmp_path))
    assert train.labels == dev.labels == LABELS
    assert len(train) > 6000
    assert len(dev) > 900
    rows, dev_rows = (read_labelled(file, task="positives") for file in write_pairs(tmp_path))
    assert len(rows) > 2000
    assert len(dev_rows) > 300


def test_a_python_without_sources(monkeypatch, tmp_path):
    monkeypatch.setattr("kerastx.data.python_docs.library_root", lambda: tmp_path)
    with pytest.raises(DataError, match="holds no source files of the standard library"):
        list(spoken_functions())
