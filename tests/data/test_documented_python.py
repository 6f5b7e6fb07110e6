"""Pairs made of documented functions: what they are, a split by file, and no copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerastx.data import documented_python, python_docs
from kerastx.data.documented_python import write_programs, write_summaries
from kerastx.data.python_docs import DEV_PERCENT, hash_percent
from kerastx.data.text_pairs import read_text_pairs

SOURCE = '''
class Reader:
    @property
    async def text(self, size: int=10) -> str:
        """Return the
        text of the reader.

        It is read from the file that the reader was made for, from its beginning to its end.
        """
        # not here
        if size is None: return ''
        return self.read_all(size)

    def nothing(self):
        """Nothing to learn from this one, whatever you do."""
        raise NotImplementedError

    def undocumented(self):
        return 1
'''
COPY = """
def other(self, size):
    "Something else that is said."
    if size is None:
        return ""
    return self.read_all(size)
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A function that puts files into a library of their own."""
    root = tmp_path / "library"
    root.mkdir()

    def put(files: dict[str, str]) -> None:
        for name, content in files.items():
            (root / name).write_text(content)

    for module in (documented_python, python_docs):
        monkeypatch.setattr(module, "library_root", lambda: root)
        monkeypatch.setattr(module, "library_files", lambda *_: sorted(Path(path.name) for path in root.glob("*.py")))
    return put


def names_of(part: str, suffix: str = ".py") -> list[str]:
    """Return names of files whose functions are in that part of the split."""
    names = [f"file{number}" for number in range(60)]
    return [f"{name}.py" for name in names if (hash_percent(name + suffix) < DEV_PERCENT) == (part == "dev")]


def rows_of(file: Path) -> list[tuple[str, str]]:
    if not file.read_text():
        return []
    pairs = read_text_pairs(file)
    return list(zip(pairs.sources, pairs.targets, strict=True))


def test_a_program_is_the_body_behind_signature_and_docstring(library, tmp_path):
    library({names_of("train")[0]: SOURCE, "broken.py": "def ("})
    train, dev = write_programs(tmp_path)
    source = 'async def text(self, size: int=10) -> str:\n    """Return the text of the reader."""'
    assert rows_of(train) == [(source, "if size is None:\n    return ''\nreturn self.read_all(size)")]
    assert rows_of(dev) == []


def test_a_summary_is_the_first_paragraph_of_a_docstring(library, tmp_path):
    library({names_of("dev", suffix="")[0]: SOURCE})
    train, dev = write_summaries(tmp_path)
    rest = "It is read from the file that the reader was made for, from its beginning to its end."
    assert rows_of(dev) == [(rest, "Return the text of the reader.")]
    assert rows_of(train) == []


def test_a_program_that_is_in_train_is_not_in_dev(library, tmp_path):
    library({names_of("train")[0]: SOURCE, names_of("dev")[0]: COPY})
    train, dev = write_programs(tmp_path)
    assert len(rows_of(train)) == 1
    assert rows_of(dev) == []
    library({names_of("dev")[0]: COPY.replace("read_all(size)", "write_everything(size, there=True)")})
    assert len(rows_of(write_programs(tmp_path)[1])) == 1


def test_long_bodies_are_left_out(library, tmp_path):
    library({names_of("train")[0]: SOURCE.replace("read_all", "read" * 200)})
    assert rows_of(write_programs(tmp_path)[0]) == []


@pytest.mark.slow
def test_this_python_has_thousands(tmp_path):
    for write, least in ((write_summaries, (1000, 100)), (write_programs, (2000, 200))):
        files = write(tmp_path)
        rows = [set(rows_of(file)) for file in files]
        assert [len(part) >= count for part, count in zip(rows, least, strict=True)] == [True, True]
        assert not {text for row in rows[0] for text in row} & {text for row in rows[1] for text in row}
        before = [file.read_bytes() for file in files]
        assert [file.read_bytes() for file in write(tmp_path)] == before
