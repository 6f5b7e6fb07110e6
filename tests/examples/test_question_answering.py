"""The questions about Python's library are right: every answer stands where it says, and dev asks of other modules."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from kerastx.data.questions import read_questions


@pytest.fixture(scope="module")
def example(repository):
    path = repository / "examples" / "question_answering.py"
    spec = importlib.util.spec_from_file_location("question_answering", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_questions_are_read_without_a_warning_and_the_same_each_time(example, tmp_path):
    files = example.write_questions(tmp_path, count=400, seed=3)
    train, dev = map(read_questions, files)
    for data, most in ((train, 400), (dev, 50)):
        assert 0.5 * most < len(data) <= most
        assert data.warnings() == []
        assert data.has_unanswerable
        for row in data.questions:
            assert all(row.context.startswith(one.text, one.start) for one in row.answers)
    modules = [{row.id.partition("-")[0] for row in data.questions} for data in (train, dev)]
    assert not modules[0] & modules[1]
    content = [file.read_bytes() for file in files]
    example.write_questions(tmp_path, count=400, seed=3)
    assert [file.read_bytes() for file in files] == content


def test_what_functions_say_of_themselves(example, tmp_path):
    file = tmp_path / "a.py"
    file.write_text(
        'class A:\n    def paid(self, x, /, y=3):\n        """Say who has paid for\n        it.\n\n        More."""\n'
        '    def _own(self):\n        """Nobody asks about this one."""\n\ndef short():\n    """Too short."""\n'
    )
    (found,) = example.functions_of(file)
    assert found == ("paid", "x, /, y=3", {"y": "3"}, "Say who has paid for it.")
    file.write_text("def (")
    assert list(example.functions_of(file)) == []


def test_data_and_dev_are_given_together(example, tmp_path):
    with pytest.raises(SystemExit, match="--data and --dev are given together"):
        example.main(["--data", str(tmp_path / "a.json")])
