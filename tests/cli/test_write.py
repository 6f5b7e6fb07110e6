"""generate, translate, summarize and score on the command line."""

from __future__ import annotations

import io
import json
import sys

import pytest
import writing_checkpoints

from kerastx.checkpoint.store import save_checkpoint


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("model") / "model", writing_checkpoints.language_model())


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("translator") / "translator", writing_checkpoints.seq2seq())


def test_a_text_is_gone_on_from(kerastx, model):
    code, out, err = kerastx("generate", model, "the cat", "--max-new-tokens", 6)
    expected = writing_checkpoints.language_model().generate("the cat", max_new_tokens=6)
    assert (code, out) == (0, f"the cat{expected.text}\n")
    assert "6 tokens in " in err
    assert "tokens per second" in err


def test_json_tells_how_a_text_ended(kerastx, model):
    code, out, _ = kerastx("generate", model, "", "who", "--max-new-tokens", 3, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["text"] for line in lines] == ["", "who"]
    expected = writing_checkpoints.language_model().generate(["", "who"], max_new_tokens=3)
    assert [line["written"] for line in lines] == [one.text for one in expected]
    assert lines[0]["log_probability"] == pytest.approx(expected[0].log_probability, abs=1e-4)
    assert {"finish", "tokens"} <= set(lines[0])


def test_lines_of_stdin_are_translated_to_lines(kerastx, translator, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"the cat\n\nwho ate\xff\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    code, out, _ = kerastx("translate", translator, "--beams", 2)
    expected = writing_checkpoints.seq2seq().generate(["the cat", "", "who ate\ufffd"], num_beams=2)
    assert (code, out.splitlines()) == (0, [one.text for one in expected])


def test_a_summary_has_its_lengths(kerastx, translator):
    options = ("--min-new-tokens", 5, "--max-new-tokens", 5, "--no-repeat-ngram", 1)
    code, out, err = kerastx("summarize", translator, "a dog ran", *options)
    assert code == 0
    assert len(out.splitlines()) == 1
    assert err.startswith("5 tokens in ")


def test_texts_are_scored(kerastx, model, translator):
    code, out, _ = kerastx("score", model, "the cat", "--tokens")
    first, *tokens = out.splitlines()
    values = [float(line.split("\t\t")[0]) for line in tokens]
    assert code == 0
    assert [line.split("\t\t")[1] for line in tokens] == ["the", "cat"]
    assert float(first.split("\t")[0]) == pytest.approx(sum(values), abs=2e-4)
    code, out, _ = kerastx("score", translator, "the cat", "a dog", "--json", "--tokens")
    found = json.loads(out)
    assert found["tokens"][-1]["token"] == "[SEP]"
    assert (found["text"], found["target"]) == ("the cat", "a dog")


def test_the_next_words_are_a_table(kerastx, model, translator):
    code, out, _ = kerastx("score", model, "the", "--top", 3)
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert len(rows) == 3
    assert float(rows[0][0]) >= float(rows[1][0]) >= float(rows[2][0])
    code, out, _ = kerastx("score", translator, "the cat", "", "--top", 2, "--json")
    assert len(json.loads(out)["words"][0]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("generate", "translator", "a"),
            1,
            "expected a language_model checkpoint, found one for seq2seq; use",
        ),
        (
            ("translate", "model", "a"),
            1,
            "expected a seq2seq checkpoint, found one for language_model; use",
        ),
        (("generate", "model", "the " * 40), 2, "prompt 0 has 41 tokens, and the model has room for 24"),
        (("generate", "model", "a", "--top-k", 3), 2, "top_k count where tokens are drawn: give a temperature above 0"),
        (("generate", "model", "a", "--beams", 2, "--temperature", 1), 2, "give them a temperature of 0"),
        (("score", "model", "a", "--top", 3, "--tokens"), 1, "--top shows the next words, --tokens those of the text"),
        (("score", "translator", "a"), 1, "a translator scores pairs: expected TEXT TARGET ..., got 1 texts"),
        (("score", "model", "the " * 40), 2, "text 0 has 40 tokens, and the model has room for 24: shorten it"),
    ],
)
def test_a_mistake_is_one_line(kerastx, model, translator, arguments, code, message):
    verb, name, *rest = arguments
    found, out, err = kerastx(verb, {"model": model, "translator": translator}[name], *rest)
    assert found == code
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
