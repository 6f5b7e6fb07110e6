"""The examples that write: they train a few steps, score what was held back, and write."""

from __future__ import annotations

import importlib.util
import json
import math
import random

import pytest

import kerastx


def example(repository, name: str):
    spec = importlib.util.spec_from_file_location(name, repository / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    assert "BLEU of 6 sentences that were not trained on" in capsys.readouterr().out
    assert kerastx.load(tmp_path / "out").task == "seq2seq"


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
