"""The examples that write: they train a few steps, score what was held back, and write."""

from __future__ import annotations

import importlib.util
import json
import math
import random
import subprocess
import sys

import pytest

import kerastx


def example(repository, name: str):
    spec = importlib.util.spec_from_file_location(name, repository / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None
from kerastx.cli.app import main
main(sys.argv[1:])
"""


def answers(output, verb: str, text: str) -> None:
    """Let both files of an example answer as Python does, from the command line without TensorFlow."""
    files = sorted((output / "export").glob("*-dynamic_wi8_afp32.*"))
    assert [file.suffix for file in files] == [".onnx", ".tflite"]
    for file in files:
        command = [sys.executable, "-c", WITHOUT_TENSORFLOW, verb, str(file), text, "--max-new-tokens", "4", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["written"] == kerastx.load(file).generate(text, max_new_tokens=4).text


def test_text_generation_learns_a_little_and_goes_on(repository, tmp_path, capsys):
    (tmp_path / "verse.txt").write_text("ROMEO:\nBut, soft! what light through yonder window breaks?\n\n" * 60)
    main = example(repository, "text_generation").main
    sizes = ["--preset", "gpt2-tiny", "--vocabulary", "characters", "--vocabulary-size", "300", "--max-length", "16"]
    few = ["--steps", "30", "--batch-size", "8", "--prompt", "RO", "--output", str(tmp_path / "out")]
    perplexity = main(["--data", str(tmp_path / "verse.txt"), *sizes, *few])
    assert perplexity < 60
    printed = capsys.readouterr().out
    assert f"held out: perplexity {perplexity:.3f}, {math.log(perplexity):.3f} nats" in printed
    assert "\nRO" in printed
    answers(tmp_path / "out", "generate", "RO")
    assert kerastx.load(tmp_path / "out" / "checkpoint").task == "language_model"


def test_poems_become_a_text(repository, tmp_path):
    poems = [{"title": "春曉", "paragraphs": ["春眠不覺曉，", "處處聞啼鳥。"]}, {"paragraphs": ["夜來風雨聲，"]}]
    (tmp_path / "poems.json").write_text(json.dumps(poems))
    plain_text = example(repository, "text_generation").plain_text
    assert (
        plain_text(tmp_path / "poems.json", tmp_path).read_text()
        == "春曉\n春眠不覺曉，\n處處聞啼鳥。\n\n夜來風雨聲，\n"
    )
    assert plain_text(tmp_path / "poems.txt", tmp_path) == tmp_path / "poems.txt"


def test_translation_learns_from_files_as_from_the_grammar(repository, tmp_path, capsys):
    module = example(repository, "translation")
    train, dev = module.made_pairs(60, seed=1)
    assert not set(train.sources) & set(dev.sources)
    for name, part in (("train", train), ("dev", dev)):
        (tmp_path / f"{name}.en").write_text("\n".join(part.sources))
        (tmp_path / f"{name}.de").write_text("\n".join(part.targets))
    files = [[f"--{name}", str(tmp_path / f"{name}.en"), str(tmp_path / f"{name}.de")] for name in ("train", "dev")]
    few = ["--epochs", "1", "--vocabulary-size", "300", "--max-length", "16", "--output", str(tmp_path / "out")]
    assert 0 <= module.main([*files[0], *files[1], *few]) <= 100
    assert "6 sentences that were not trained on: BLEU " in capsys.readouterr().out
    assert kerastx.load(tmp_path / "out" / "checkpoint").task == "seq2seq"
    answers(tmp_path / "out", "translate", train.sources[0])


@pytest.mark.slow
def test_the_grammar_is_learned(repository, tmp_path):
    assert example(repository, "translation").main(["--output", str(tmp_path / "out")]) > 80


def test_the_grammar_agrees(repository):
    module = example(repository, "translation")
    found = [module.sentence(random.Random(seed)) for seed in range(3000)]
    objects = [german for english, german in found if english.endswith(" the old man.")]
    assert objects
    assert all(text.endswith("den alten Mann.") for text in objects)
    assert all(german.startswith("Der alte Mann ") for english, german in found if english.startswith("The old man "))
    later = [german.split() for english, german in found if english.startswith("Now the ")]
    assert later
    assert all(words[0] == "Jetzt" and words[1] in module.VERBS.values() for words in later)


def test_train_and_dev_belong_together(repository, capsys):
    with pytest.raises(SystemExit):
        example(repository, "translation").main(["--train", "train.tsv", "--output", "out"])
    assert "--train and --dev belong together" in capsys.readouterr().err


NOUNS = ("dog", "cat", "bird", "horse", "goose", "sheep")
FEW = ["--epochs", "1", "--vocabulary-size", "300", "--batch-tokens", "256", "--max-length", "16"]


def test_summarization_reads_several_summaries_and_scores_what_needs_no_model_too(repository, tmp_path, capsys):
    module = example(repository, "summarization")
    rows = [{"source": [f"The {noun} sleeps.", "It is late."], "target": [f"A {noun}.", "Night"]} for noun in NOUNS]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    scores = module.main(["--train", str(tmp_path / "rows.jsonl"), *FEW, "--output", str(tmp_path / "out")])
    assert set(scores) == {"rouge1", "rouge2", "rougeL"}
    printed = capsys.readouterr().out
    assert "5 texts to learn from" in printed
    assert "should be: A dog. | Night" in printed
    first = 100 * 2 * 1 / (3 + 2)  # "the dog sleeps" and "a dog"
    assert f"  first sentence   {first:.2f}    0.00   {first:.2f}" in printed
    assert "   first 2 words" in printed
    answers(tmp_path / "out", "summarize", rows[0]["source"][0])


@pytest.mark.slow
def test_summarization_goes_on_from_a_checkpoint(repository, tmp_path, capsys):
    main = example(repository, "summarization").main
    rows = [{"body": f"The {noun} sleeps.", "subject": f"A {noun}"} for noun in NOUNS]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = ["--train", str(tmp_path / "rows.jsonl"), "--dev", str(tmp_path / "rows.jsonl"), "--score", "2"]
    main([*files, *FEW, "--output", str(tmp_path / "first")])
    start = str(tmp_path / "first" / "checkpoint")
    main([*files, *FEW, "--from", start, "--output", str(tmp_path / "second")])
    assert capsys.readouterr().out.count("for 2 texts") == 2
    first, second = (kerastx.load(tmp_path / name / "checkpoint") for name in ("first", "second"))
    assert second.tokenizer.sha256 == first.tokenizer.sha256


def test_leads_are_words_or_the_characters_of_chinese(repository):
    leads = example(repository, "summarization").leads
    assert leads(["One two three. Four.", "Five"], ["a b"]) == {
        "first sentence": ["One two three.", "Five"],
        "first 2 words": ["One two", "Fi"],
    }
    assert leads(["机器学习很好。是的。"], ["机器", "学习很好"])["first 3 words"] == ["机器学"]


def test_options_of_files_need_a_file(repository, capsys):
    with pytest.raises(SystemExit):
        example(repository, "summarization").main(["--dev", "dev.tsv", "--output", "out"])
    assert "--dev and --columns belong to --train" in capsys.readouterr().err


def mbpp_row(number: int) -> dict:
    return {
        "task_id": number,
        "text": f"Write a function to add {number}.",
        "code": f"def add(x):\r\n    return x + {number}",
        "test_list": [f"assert add(1) == {number + 1}"],
        "test_setup_code": "",
    }


def test_code_generation_runs_the_tests_of_mbpp(repository, tmp_path, capsys):
    rows = [mbpp_row(number) for number in (511, 512, 601, 602, 603)]
    (tmp_path / "mbpp.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    main = example(repository, "code_generation").main
    scores = main(["--data", str(tmp_path / "mbpp.jsonl"), *FEW, "--output", str(tmp_path / "out")])
    assert set(scores) == {"parses", "exact match", "BLEU", "tests passed"}
    printed = capsys.readouterr().out
    assert "3 programs to learn from" in printed
    assert "the tests pass 2 of 2 programs of the data set itself" in printed
    assert kerastx.load(tmp_path / "out" / "checkpoint").task == "seq2seq"
    answers(tmp_path / "out", "translate", rows[0]["text"])


def test_snippets_of_a_question_stay_together(repository):
    tasks = example(repository, "code_generation").conala_tasks(
        [
            {"question_id": number // 2, "intent": "sort", "rewritten_intent": text, "snippet": f" sorted({number})\n"}
            for number, text in enumerate(["sort `x`", None] * 11)
        ]
    )
    assert (tasks[0].text, tasks[1].text, tasks[1].program) == ("sort `x`", "sort", "sorted(1)")
    assert [number for number, task in enumerate(tasks) if task.is_dev] == [0, 1, 20, 21]


def test_programs_are_scored_by_their_trees_and_by_their_tests(repository, capsys):
    module = example(repository, "code_generation")
    good, tests = "def one():\n    return 'a'", ["assert one() == 'a'"]
    written = ['def one():\n\n  return "a"  # so', "return 1", "def one(", ""]
    scores = module.score(written, [module.Task("", good, tests)] * 4)
    assert (scores["parses"], scores["exact match"], scores["tests passed"]) == (50, 25, 25)
    assert "the tests pass 4 of 4 programs" in capsys.readouterr().out
    assert "tests passed" not in module.score(["return 1"], [module.Task("", "return 1")])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "metric"), [("summarization", "rouge1"), ("code_generation", "BLEU")])
def test_the_library_itself_is_data(repository, tmp_path, name, metric):
    few = ["--epochs", "1", "--batch-tokens", "4096", "--max-length", "32", "--output", str(tmp_path / "out")]
    assert example(repository, name).main(few)[metric] > 0
