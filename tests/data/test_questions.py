"""Questions of SQuAD and CMRC 2018: what is read, what is told of it, and what is refused at which line."""

from __future__ import annotations

import json

import pytest

from kerastx.data.questions import GivenAnswer, QuestionData, read_questions
from kerastx.errors import DataError

CONTEXT = "The cat sat on the mat. The dog sat on the rug."


def answer(text="cat", start=4):
    return {"text": text, "answer_start": start}


def question(identity="q1", text="Who sat on the mat?", answers=None, **more):
    return {"id": identity, "question": text, "answers": [answer()] if answers is None else answers, **more}


def squad(*questions, context=CONTEXT):
    return {"version": "1.1", "data": [{"title": "A", "paragraphs": [{"context": context, "qas": list(questions)}]}]}


@pytest.fixture
def written(tmp_path):
    def write(content, *, indent=None):
        file = tmp_path / "a.json"
        text = content if isinstance(content, str) else json.dumps(content, indent=indent, ensure_ascii=False)
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_squad_of_both_versions(written):
    rows = [question(answers=[answer(), answer("The cat", 0)]), question("q2", is_impossible=True, answers=[])]
    data = read_questions(written(squad(*rows)))
    first, second = data.questions
    assert first.answers == (GivenAnswer("cat", 4), GivenAnswer("The cat", 0))
    assert (first.id, first.text, first.context, first.located.end) == ("q1", "Who sat on the mat?", CONTEXT, 7)
    assert (second.answers, second.located) == ((), None)
    assert (data.has_unanswerable, data.is_chinese, data.warnings()) == (True, False, [])
    assert len(data.trainable()) == 2
    assert [row.id for row in data.subset([1]).questions] == ["q2"]


def test_both_layouts_of_cmrc(written):
    own = [
        {
            "context_id": "T_0",
            "context_text": "我喜欢北京。",
            "qas": [{"query_id": "Q_0", "query_text": "喜欢什么？", "answers": ["北京", "上海"]}],
            "title": "北京",
        }
    ]
    data = read_questions(written(own))
    assert data.questions[0].answers == (GivenAnswer("北京", 3), GivenAnswer("上海", -1))
    assert data.is_chinese
    again = squad(question(text="喜欢什么？", answers=[answer("北京", 3)]), context="我喜欢北京。")
    assert read_questions(written(again)).questions[0].located == GivenAnswer("北京", 3)


def test_an_answer_elsewhere_is_taken_where_it_is_nearest(written):
    rows = [question(answers=[answer("sat", 30)]), question("q2", answers=[answer("sat", 9)]), question("q3", " ")]
    data = read_questions(written(squad(*rows)))
    assert [row.located.start for row in data.questions] == [32, 8, 4]
    assert data.warnings() == [
        "2 answers do not stand where answer_start says: the nearest place is taken",
        "1 questions are empty",
    ]


def test_an_answer_that_is_said_not_to_be_there_is_scored_only(written):
    data = read_questions(
        written(squad(question(answers=[answer("kitten", -1)]), question("q2", answers=[answer("x", -1), answer()])))
    )
    assert data.questions[0].located is None
    assert data.questions[1].located == GivenAnswer("cat", 4)
    assert [row.id for row in data.trainable().questions] == ["q2"]
    assert data.warnings() == ["1 questions have answers that the context does not hold: they can be scored only"]


WRONG = [
    (squad(question(answers=[answer("kitten", 4)])), r"part of the context, got 'kitten' at 4; correct it or take"),
    (squad(question(answers=[answer("cat", -7)])), r'expected a place in the context as "answer_start", or -1, got -7'),
    (squad(question(answers=[answer(" ")])), "expected the text of an answer, got an empty one"),
    (squad(question(answers=[{"text": "cat"}])), 'expected a whole number as "answer_start", got an object with text'),
    (squad(question(answers=[answer("cat", "4")])), "expected a whole number as \"answer_start\", got '4'"),
    (squad(question(answers=[answer("cat", True)])), "expected a whole number as \"answer_start\", got 'True'"),
    (squad(question(answers=[])), 'expected an answer, or "is_impossible": true, got no answers'),
    (squad(question(is_impossible=True)), 'expected no answers beside "is_impossible": true, got 1'),
    (squad(question(is_impossible="no")), "expected true or false as \"is_impossible\", got 'no'"),
    (squad(question(answers={"text": ["cat"]})), 'expected a list as "answers", got'),
    (squad({"id": "q1", "answers": []}), 'expected a string as "question", got an object with id, answers'),
    (squad(question(text=7)), "expected a string as \"question\", got '7'"),
    (squad(question(text="Who\0?")), "expected text as question, got a NUL character at 3"),
    (squad(question(), question()), "expected every id once, got 'q1' again, first at line 1"),
    (squad(question(), context=" "), "expected a context, got an empty one"),
    (squad(question(), context=CONTEXT + "\0"), "expected text as context, got a NUL character at 47"),
    (squad("q"), "expected an object with \"id\", got 'q'"),
    ({"data": [{"title": "A"}]}, 'expected a list as "paragraphs", got an object with title'),
    ({"data": ["A"]}, 'expected an object with "paragraphs"'),
    ({"questions": []}, r'expected {"data": \[...\]} as SQuAD has it, or a list as CMRC 2018 has it, got questions'),
    ("7", "or a list as CMRC 2018 has it, got int"),
    ("", "expected JSON, got an empty file"),
    ({"data": []}, "the file holds no questions"),
    ('{"data": [{"par', "a.json:1: expected JSON, got .*unterminated string"),
    ('{"data":\n [}', "a.json:2: expected JSON, got '}' .*expecting value"),
    ('{"data": [', "a.json:1: expected JSON, got the end of the file: it is cut off"),
    ("[" * 100_000, "expected JSON of a few levels"),
]


@pytest.mark.parametrize(("content", "message"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_one_line(written, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_questions(written(content))
    assert "\n" not in str(caught.value)


def test_the_line_is_that_of_the_entry_and_all_are_counted(written):
    rows = [question(), question("q2", answers=[answer("kitten")]), question("q3", answers=[]), question("q4", 1)]
    file = written(squad(*rows), indent=1)
    lines = file.read_text(encoding="utf-8").split("\n")
    line = next(number for number, text in enumerate(lines, 1) if '"q2"' in text) - 1
    with pytest.raises(DataError, match=f"a.json:{line}: expected an answer .*; and 2 more wrong entries$"):
        read_questions(file)


def test_quotes_and_braces_in_texts_do_not_move_lines(written):
    odd = 'He said: "question": {"id": 1}\\'
    rows = [question(text=odd), question("q2", answers=[answer("kitten")])]
    file = written(squad(*rows), indent=2)
    lines = file.read_text(encoding="utf-8").split("\n")
    line = next(number for number, text in enumerate(lines, 1) if '"q2"' in text) - 1
    with pytest.raises(DataError, match=f"a.json:{line}: "):
        read_questions(file)


def test_bytes_that_are_no_text(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(b'{"data":\n "\xff"}')
    with pytest.raises(DataError, match="a.json:2: expected UTF-8 text, got byte 0xff"):
        read_questions(file)
    with pytest.raises(DataError, match="there is no such file"):
        read_questions(tmp_path / "none.json")


def test_a_context_of_a_megabyte(written):
    context = "word " * 200_000 + "the end"
    data = read_questions(written(squad(question(answers=[answer("the end", 7)]), context=context)))
    assert data.questions[0].located.start == 1_000_000
    assert data.moved == 1


def test_lone_surrogates_are_text(written):
    text = json.dumps(squad(question(text="Who \ud800?")))
    assert read_questions(written(text)).questions[0].text == "Who \ud800?"


@pytest.mark.parametrize(
    ("texts", "is_chinese"),
    [(["我喜欢什么？"], True), (["What is 北京 in China?"], False), (["NBA在哪里？"], True), ([" "], False)],
)
def test_chinese_is_known_by_its_ideographs(texts, is_chinese):
    rows = read_like(texts)
    assert QuestionData(rows).is_chinese == is_chinese


def read_like(texts):
    from kerastx.data.questions import Question

    return [Question(str(number), text, "c", (GivenAnswer("c", 0),), 1) for number, text in enumerate(texts)]


def test_published_files(real_data):
    counts = {"cmrc2018/cmrc2018_dev_firsthalf.json": 1493, "cmrc2018/cmrc2018_trial.json": 1002}
    for name, count in {**counts, "squad/dev-v1.1-first24.json": 5696}.items():
        data = read_questions(real_data / name)
        assert len(data) == count
        assert data.is_chinese == name.startswith("cmrc")
        for row in data.questions[:200]:
            for one in row.answers:
                assert one.start < 0 or row.context[one.start : one.end] == one.text


def test_ids_may_be_numbers_and_numbers_may_be_too_long(written):
    assert [row.id for row in read_questions(written(squad(question(7)))).questions] == ["7"]
    file = written('{"data": [' + "1" * 5000 + "]}")
    with pytest.raises(DataError, match=f"{file}: expected JSON, got what Python cannot read"):
        read_questions(file)
