"""kerastx score --minimal-pairs: how often the right one of two sentences is the more probable one."""

from __future__ import annotations

import json

import pytest
import writing_checkpoints

from kerastx.checkpoint.store import save_checkpoint
from kerastx.checkpoint.text_scores import score

SENTENCES = ["the cat sat", "a dog ran over the hill", "who ate the cake", "rain fell", "the the the", "mat on"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("model") / "model", writing_checkpoints.language_model())


def write_pairs(file, pairs):
    rows = [{"sentence_good": good, "sentence_bad": bad, "UID": file.stem} for good, bad in pairs]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_the_accuracy_of_each_file_and_their_mean(kerastx, model, tmp_path):
    values = {one: score(writing_checkpoints.language_model(), [one])[0].log_probability for one in SENTENCES}
    best, *others, worst = sorted(SENTENCES, key=values.__getitem__, reverse=True)
    write_pairs(tmp_path / "agreement.jsonl", [(best, one) for one in others] + [(worst, best)])
    # A sentence is not more probable than itself.
    write_pairs(tmp_path / "islands.jsonl", [(best, worst), (worst, worst)])
    code, out, _ = kerastx("score", model, "--minimal-pairs", tmp_path)
    assert code == 0
    assert out.splitlines() == ["0.8000\t5\tagreement", "0.5000\t2\tislands", "0.6500\t7\tmean"]
    one = tmp_path / "islands.jsonl"
    code, out, _ = kerastx("score", model, "--minimal-pairs", one, "--json")
    assert json.loads(out) == {"name": "islands", "accuracy": 0.5, "pairs": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"sentence_good": "a"}\n', "sentence_bad"),
        ('{"sentence_good": "a", "sentence_bad": ""}\n', "pairs.jsonl:1"),
        ("", "pairs.jsonl"),
    ],
)
def test_a_broken_file_is_one_line_before_any_work(kerastx, model, tmp_path, content, message):
    whole = write_pairs(tmp_path / "whole.jsonl", [("the cat", "a dog")])
    broken = tmp_path / "pairs.jsonl"
    broken.write_text(content)
    code, out, err = kerastx("score", model, "--minimal-pairs", whole, "--minimal-pairs", broken)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err


def test_what_it_is_not_for(kerastx, model, tmp_path):
    code, out, err = kerastx("score", model, "--minimal-pairs", tmp_path)
    assert (code, out) == (1, "")
    assert "expected .jsonl files of minimal pairs in this folder, found none" in err
    code, _, err = kerastx("score", model, "the cat", "--minimal-pairs", tmp_path)
    assert code == 1
    assert "--minimal-pairs is scored alone" in err
    translator = save_checkpoint(tmp_path / "translator", writing_checkpoints.seq2seq())
    code, _, err = kerastx("score", translator, "--minimal-pairs", tmp_path)
    assert code == 1
    assert "minimal pairs are for language models" in err
