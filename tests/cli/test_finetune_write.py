"""`kerastx finetune translate` and `summarize`: pairs of texts to a model that writes one for the other."""

from __future__ import annotations

import itertools
import json
import shutil

import pytest

from kerastx.checkpoint.store import load_checkpoint
from kerastx.cli.writing_run import WritingRequest, run_writing
from kerastx.errors import CheckpointError

ENGLISH = ("the dog", "a cat", "the bird", "a man"), ("sees", "likes", "finds"), ("the house", "a stone", "the water")
GERMAN = (
    ("der Hund", "eine Katze", "der Vogel", "ein Mann"),
    ("sieht", "mag", "findet"),
    ("das Haus", "einen Stein", "das Wasser"),
)
SENTENCES = [[" ".join(words) + "." for words in itertools.product(*side)] for side in (ENGLISH, GERMAN)]
SIZES = {"preset": "transformer-tiny", "vocabulary_size": 300, "batch_tokens": 400, "max_length": 24}


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines")
    for name, sentences in zip(("en", "de"), SENTENCES, strict=True):
        (folder / f"train.{name}").write_text("\n".join(sentences * 4) + "\n")
        (folder / f"dev.{name}").write_text("\n".join(sentences[::6]) + "\n")
    named = {"train": "train.en", "train_target": "train.de", "dev": "dev.en", "dev_target": "dev.de"}
    return {option: folder / name for option, name in named.items()}


@pytest.fixture(scope="module")
def finished(lines, tmp_path_factory):
    output = tmp_path_factory.mktemp("finished") / "run"
    return output, run_writing(WritingRequest(**lines, output=output, steps=40, save_every=20, **SIZES))


def test_a_run_leaves_a_translator_and_its_scores(finished):
    output, scores = finished
    checkpoint = load_checkpoint(output)
    assert checkpoint.task == "seq2seq"
    assert checkpoint.source_tokenizer is None
    assert checkpoint.config.initializer_range == checkpoint.config.hidden_dim**-0.5
    written = json.loads((output / "scores.json").read_text())
    assert written == {
        "bleu": scores["bleu"],
        "chrf": scores["chrf"],
        "perplexity": scores["val_perplexity"],
    }
    rows = [json.loads(line) for line in (output / "dev_written.jsonl").read_text().splitlines()]
    assert [row["source"] for row in rows] == SENTENCES[0][::6]
    assert [row["target"] for row in rows] == SENTENCES[1][::6]
    assert rows[0]["written"] == checkpoint.generate(SENTENCES[0][0]).text
    assert (output / "learning_curve.png").exists()


def test_a_cut_run_goes_on_bit_for_bit_and_ends_with_the_same_mean_of_its_weights(lines, finished, tmp_path):
    whole, _ = finished
    request = {**lines, "steps": 40, "save_every": 20, "resume": True, "output": tmp_path / "run", **SIZES}
    shutil.copytree(whole, tmp_path / "run")
    run_writing(WritingRequest(**request))  # nothing is left to do
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "run" / name).unlink()
    last = tmp_path / "run" / "steps" / "step-000000040"
    assert (last / "model.safetensors").read_bytes() != (whole / "model.safetensors").read_bytes()
    shutil.rmtree(last)
    run_writing(WritingRequest(**request))
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_other_pairs_are_another_run(lines, finished):
    output, _ = finished
    request = {**lines, "train": lines["dev"], "train_target": lines["dev_target"], "output": output}
    with pytest.raises(CheckpointError, match="cannot resume with other settings: data_sha256 was"):
        run_writing(WritingRequest(**request, steps=40, save_every=20, resume=True, **SIZES))


def test_only_a_seq2seq_model_goes_on(lines, classifier, tmp_path):
    with pytest.raises(CheckpointError, match="is of the task classification; expected seq2seq"):
        run_writing(WritingRequest(**lines, output=tmp_path / "run", start=str(classifier), **SIZES))


@pytest.mark.slow
def test_a_small_grammar_is_learned_and_goes_on_with_another(kerastx, lines, tmp_path):
    named = [argument for option, path in lines.items() for argument in (f"--{option.replace('_', '-')}", path)]
    sizes = ("--preset", "transformer-tiny", "--vocabulary-size", 300, "--batch-tokens", 400, "--dropout-rate", 0.1)
    translator = tmp_path / "translator"
    code, out, err = kerastx(
        "finetune", "translate", *named, *sizes, "--epochs", 20, "--beams", 3, "--json", "--output", translator
    )
    assert code == 0, err
    scores = json.loads(out)
    assert scores["bleu"] > 90
    assert scores["bleu_3_beams"] > 90
    assert scores["perplexity"] < 1.5
    # Of several summaries the first is learned, and the best counts.
    summaries = [{"document": source, "summary": [source.split()[1], "no word of it"]} for source in SENTENCES[0]]
    rows = [json.dumps(row) for row in summaries]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows * 4))
    table = ("--train", tmp_path / "rows.jsonl", "--dev", tmp_path / "rows.jsonl")
    rates = ("--learning-rate", 1e-3, "--epochs", 10, "--batch-tokens", 400, "--max-length", 24)
    code, out, err = kerastx(
        "finetune", "summarize", *table, *rates, "--from", translator, "--json", "--output", tmp_path / "summarizer"
    )
    assert code == 0, err
    assert json.loads(out)["rouge1"] > 90
    first, *_ = (tmp_path / "summarizer" / "dev_written.jsonl").read_text().splitlines()
    assert json.loads(first)["target"] == summaries[0]["summary"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--epochs", 2, "--minutes", 1), "choose one of --epochs and --minutes"),
        (("--resume", "--force"), "--resume continues a run, --force replaces it"),
        (("--from", "x", "--preset", "t5-tiny"), "--from brings its own model"),
        (("--dev-target", "dev.de"), "--dev-target belongs to --dev"),
    ],
)
def test_options_that_do_not_go_together_are_refused(kerastx, more, reason):
    code, _, err = kerastx("finetune", "translate", "--train", "train.tsv", "--output", "run", *more)
    assert code == 2
    assert reason in " ".join(err.replace("│", " ").split())
