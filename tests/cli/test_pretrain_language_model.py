"""`kerastx pretrain` of a language model: from exact text to a checkpoint that continues it."""

from __future__ import annotations

import json
import shutil

import matplotlib.image
import numpy as np
import pytest

from kerastx.checkpoint.store import Checkpoint, load_checkpoint, save_checkpoint
from kerastx.cli.pretrain import Preset
from kerastx.cli.pretrain_request import PretrainRequest
from kerastx.cli.pretrain_run import run_pretraining
from kerastx.data.prepare import prepare
from kerastx.errors import DataError
from kerastx.models.config import PRESETS
from kerastx.models.decoder_config import LanguageModelConfig, Seq2SeqConfig
from kerastx.models.seq2seq import Seq2Seq
from kerastx.training.callbacks import TrainingStoppedError, read_log

STEPS, SAVE_EVERY = 20, 10
SIZES = {"preset": "llama-tiny", "steps": STEPS, "batch_size": 4, "max_length": 16, "save_every": SAVE_EVERY}
VERSE = "ROMEO:\nBut, soft! what light through yonder window breaks?\n\nJULIET:\nAy me!\n\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verse")
    (folder / "verse.txt").write_text(VERSE * 40)
    wish = {"vocabulary_size": 300, "kind": "characters", "documents": "file"}
    return prepare([folder / "verse.txt"], folder / "store", **wish)


@pytest.fixture(scope="module")
def finished(store, tmp_path_factory):
    output = tmp_path_factory.mktemp("finished") / "run"
    logs = run_pretraining(PretrainRequest(data=store.path, output=output, **SIZES))
    return output, logs


def test_a_run_leaves_a_language_model_and_its_curve(store, finished):
    output, logs = finished
    checkpoint = load_checkpoint(output)
    assert checkpoint.task == "language_model"
    assert checkpoint.max_length == checkpoint.config.max_sequence_length == 16
    assert checkpoint.tokenizer.sha256 == store.tokenizer.sha256
    assert checkpoint.config.positions == "rotary"
    assert logs["steps"] == STEPS
    assert logs["loss"] < 5.0 < np.log(store.tokenizer.vocabulary_size)
    assert logs["val_loss"] == pytest.approx(np.log(logs["val_perplexity"]), rel=1e-3)
    picture = matplotlib.image.imread(output / "learning_curve.png")
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 20


def test_a_cut_run_goes_on_bit_for_bit(store, finished, tmp_path):
    whole, _ = finished
    output = tmp_path / "run"
    shutil.copytree(whole, output)
    for name in ("config.json", "model.safetensors"):
        (output / name).unlink()
    shutil.rmtree(output / "steps" / f"step-{STEPS:09d}")
    run_pretraining(PretrainRequest(data=store.path, output=output, resume=True, **SIZES))
    assert (output / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    found, expected = (
        [(row["step"], row["loss"]) for row in read_log(run / "training.csv")] for run in (output, whole)
    )
    assert found == expected


def test_training_goes_on_from_a_language_model(store, finished, tmp_path, capsys):
    output, logs = finished
    on = run_pretraining(
        PretrainRequest(data=store.path, output=tmp_path / "on", start=output, **{**SIZES, "steps": 10})
    )
    assert on["loss"] < logs["loss"]
    assert "held out" in capsys.readouterr().err


def test_a_store_of_another_vocabulary_is_refused(finished, tmp_path):
    (tmp_path / "a.txt").write_text(VERSE * 4)
    other = prepare([tmp_path / "a.txt"], tmp_path / "store", vocabulary_size=280, kind="byte_bpe")
    with pytest.raises(DataError, match="was prepared with another tokenizer than .*; prepare it with --tokenizer"):
        run_pretraining(PretrainRequest(data=other.path, output=tmp_path / "on", start=finished[0], **SIZES))


def test_sentences_without_line_ends_are_told(store, tmp_path, capsys):
    (tmp_path / "a.txt").write_text(VERSE * 40)
    sentences = prepare([tmp_path / "a.txt"], tmp_path / "store", tokenizer=store.tokenizer)
    with pytest.raises(DataError, match="expected some .* tokens in its train part for rows of 10000"):
        run_pretraining(PretrainRequest(data=sentences.path, output=tmp_path / "on", **{**SIZES, "max_length": 10000}))
    assert "prepare it with --exact to keep them" in capsys.readouterr().err
    assert not (tmp_path / "on").exists()


def test_a_loss_that_is_not_finite_names_its_texts(store, tmp_path):
    with pytest.raises(TrainingStoppedError, match=r"in a batch of the texts in .*not_finite.json"):
        run_pretraining(PretrainRequest(data=store.path, output=tmp_path / "on", learning_rate=1e30, **SIZES))
    rows = json.loads((tmp_path / "on" / "not_finite.json").read_text())["rows"]
    assert len(rows) == SIZES["batch_size"]
    assert all(row in VERSE * 40 for row in rows)


def test_options_of_encoders_are_refused(kerastx, store, tmp_path):
    arguments = ("--data", store.path, "--output", tmp_path / "on", "--preset", "gpt2-tiny", "--steps", 10)
    code, _, err = kerastx("pretrain", *arguments, "--whole-word")
    assert code == 2
    assert "a model that writes has no use for them" in err.replace("\n", " ")


def test_every_family_and_size_is_a_preset():
    families = (*LanguageModelConfig.families, *Seq2SeqConfig.families)
    assert {preset.value for preset in Preset} == {
        *PRESETS,
        *(f"{name}-{size}" for name in families for size in PRESETS),
    }


def test_an_encoder_decoder_learns_to_fill_gaps_and_goes_on(store, finished, tmp_path):
    request = {**SIZES, "preset": "t5-tiny", "steps": 10}
    logs = run_pretraining(PretrainRequest(data=store.path, output=tmp_path / "gaps", **request))
    checkpoint = load_checkpoint(tmp_path / "gaps")
    assert checkpoint.task == "seq2seq"
    assert checkpoint.config.vocabulary_size == store.tokenizer.vocabulary_size + 100
    on = run_pretraining(PretrainRequest(data=store.path, output=tmp_path / "on", start=tmp_path / "gaps", **request))
    assert on["val_loss"] < logs["val_loss"]


def test_a_translator_is_not_trained_on_gaps(store, tmp_path):
    config = Seq2SeqConfig.preset("t5-tiny", vocabulary_size=store.tokenizer.vocabulary_size, max_sequence_length=32)
    translator = Checkpoint(
        model=Seq2Seq(config), tokenizer=store.tokenizer, config=config, task="seq2seq", max_length=16
    )
    save_checkpoint(tmp_path / "translator", translator)
    with pytest.raises(DataError, match="was not trained on gaps: its table has no 100 places behind the vocabulary"):
        run_pretraining(
            PretrainRequest(data=store.path, output=tmp_path / "on", start=tmp_path / "translator", **SIZES)
        )
