"""A user's mistake is one line, exit code 1 or 2, and nothing half-written."""

from __future__ import annotations

import pytest

from kerastx.data.prepare import prepare


@pytest.fixture
def files(tmp_path):
    (tmp_path / "corpus.txt").write_text("One sentence. Another one.\n\nA second text. With two.\n" * 3)
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin1.txt").write_bytes(b"fine\ncaf\xe9\n")
    (tmp_path / "rows.tsv").write_text("label\ttext\nyes\tgood\nno\tbad\n")
    (tmp_path / "one_label.tsv").write_text("label\ttext\nyes\tgood\nyes\tfine\n")
    (tmp_path / "wrong.tsv").write_text("label\ttext\nyes\tgood\nno\n")
    (tmp_path / "mine.png").write_text("precious")
    (tmp_path / "strange.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(100))
    (tmp_path / "strange.onnx").write_bytes(b"not a model at all")
    prepare([tmp_path / "corpus.txt"], tmp_path / "store", vocabulary_size=100)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    return tmp_path


CASES = {
    "missing corpus": (
        "prepare --corpus {0}/none.txt --vocabulary-size 100 --output {0}/out",
        1,
        "none.txt",
    ),
    "empty corpus": (
        "prepare --corpus {0}/empty.txt --vocabulary-size 100 --output {0}/out",
        1,
        "no text",
    ),
    "not UTF-8": (
        "prepare --corpus {0}/latin1.txt --vocabulary-size 100 --output {0}/out",
        1,
        "latin1.txt:2",
    ),
    "two tokenizers": (
        "prepare --corpus {0}/corpus.txt --vocabulary-size 100 --tokenizer {0} --output {0}/out",
        2,
        "exactly one of",
    ),
    "no tokenizer": ("prepare --corpus {0}/corpus.txt --output {0}/out", 2, "exactly one of"),
    "tokenizer is no tokenizer": (
        "prepare --corpus {0}/corpus.txt --tokenizer {0}/rows.tsv --output {0}/out",
        1,
        "rows.tsv",
    ),
    "output is not ours": (
        "prepare --corpus {0}/corpus.txt --vocabulary-size 100 --output {0}/mine --force",
        1,
        "mine",
    ),
    "inspect nothing": ("inspect", 2, "exactly one of STORE and --train"),
    "inspect a store and rows": ("inspect {0}/store --train {0}/rows.tsv", 2, "exactly one of STORE and --train"),
    "dev of a store": ("inspect {0}/store --dev {0}/rows.tsv --from {0}", 2, "--dev and --from"),
    "inspect no store": ("inspect {0}/mine", 1, "is not a kerastx token store"),
    "inspect missing rows": ("inspect --train {0}/none.tsv", 1, "none.tsv: there is no such file"),
    "inspect malformed rows": ("inspect --train {0}/wrong.tsv", 1, "wrong.tsv:3: expected 2 columns, got 1"),
    "inspect malformed dev rows": ("inspect --train {0}/rows.tsv --dev {0}/wrong.tsv", 1, "wrong.tsv:3: expected"),
    "inspect without a tokenizer": ("inspect --train {0}/rows.tsv --from {0}/mine", 1, "no such tokenizer file"),
    "a picture that is no PNG": ("inspect --train {0}/rows.tsv --png {0}/out.jpg", 2, "ends in .png"),
    "a picture that exists": ("inspect --train {0}/rows.tsv --png {0}/mine.png", 1, "pass --force to replace it"),
    "a picture that is something else": ("inspect {0}/store --png {0}/mine.png --force", 1, "is not a PNG picture"),
    "unknown language": (
        "prepare --corpus {0}/corpus.txt --vocabulary-size 100 --language klingon --output {0}/out",
        2,
        "got klingon",
    ),
    "nothing left": (
        "prepare --corpus {0}/corpus.txt --vocabulary-size 100 --min-tokens 1000 --output {0}/out",
        1,
        "no document of the corpus is left",
    ),
    "lengths that exclude each other": (
        "prepare --corpus {0}/corpus.txt --vocabulary-size 100 --min-tokens 9 --max-tokens 8 --output {0}/out",
        2,
        "max_tokens must be at least",
    ),
    "missing store": ("pretrain --data {0}/none --output {0}/out --steps 1", 1, "none"),
    "steps and minutes": ("pretrain --data {0} --output {0}/out --steps 1 --minutes 1", 2, "exactly one of"),
    "a checkpoint and a size": (
        "pretrain --data {0}/store --from {0} --output {0}/out --steps 1 --preset tiny",
        2,
        "brings its own model",
    ),
    "a rate of dropout": (
        "pretrain --data {0}/store --output {0}/out --steps 1 --dropout-rate 1.5",
        2,
        "dropout_rate must be in [0, 1)",
    ),
    "a learning rate below zero": (
        "pretrain --data {0}/store --output {0}/out --steps 1 --learning-rate -1",
        2,
        "--learning-rate",
    ),
    "a learning rate that is no number": (
        "finetune classify --train {0}/rows.tsv --from {0} --output {0}/out --learning-rate nan",
        2,
        "--learning-rate",
    ),
    "no minutes": ("pretrain --data {0}/store --output {0}/out --minutes 0", 2, "--minutes"),
    "resume and force": ("pretrain --data {0} --output {0}/out --steps 1 --resume --force", 2, "give one"),
    "unknown preset": ("pretrain --data {0} --output {0}/out --steps 1 --preset huge", 2, "huge"),
    "missing rows": (
        "finetune classify --train {0}/none.tsv --from {0} --output {0}/out",
        1,
        "none.tsv",
    ),
    "one label": (
        "finetune classify --train {0}/one_label.tsv --from {0} --output {0}/out",
        1,
        "at least 2 labels",
    ),
    "one label of any number": (
        "finetune classify --multi-label --train {0}/one_label.tsv --from {0} --output {0}/out",
        1,
        "one_label.tsv: expected at least 2 labels, got only yes",
    ),
    "dev rows from two places": (
        "finetune classify --train {0}/rows.tsv --dev {0}/rows.tsv --dev-share 0.1 --from {0} --output {0}/out",
        2,
        "choose one of --dev and --dev-share",
    ),
    "import for an unknown task": ("import {0}/none --task foo --output {0}/out", 2, "is not one of 'encoder'"),
    "import over an existing folder": ("import {0}/none --output {0}/mine", 1, "mine exists; choose another output"),
    "import over a foreign folder": ("import {0}/none --output {0}/mine --force", 1, "not a kerastx checkpoint"),
    "import to Hugging Face over an existing folder": (
        "import {0}/none --to-huggingface --output {0}/mine",
        1,
        "mine exists; choose another output",
    ),
    "no checkpoint": (
        "finetune classify --train {0}/rows.tsv --from {0}/mine --output {0}/out",
        1,
        "not a checkpoint",
    ),
    "existing output": (
        "finetune classify --train {0}/rows.tsv --from {0} --output {0}/mine",
        1,
        "--force",
    ),
    "resume of no run": ("pretrain --data {0}/store --output {0}/mine --steps 1 --resume", 1, "nothing to resume"),
    "force on a foreign folder": (
        "finetune classify --train {0}/rows.tsv --from {0} --output {0}/mine --force",
        1,
        "not a kerastx checkpoint; it is not replaced",
    ),
    "export of nothing": ("export {0}/none --output {0}/out", 1, "expected a checkpoint folder"),
    "unknown format": ("export {0}/none --output {0}/out --formats pb", 2, "expected tflite, onnx"),
    "a text of no bytes": ("export {0} --output {0}/out --input both --text-bytes 0", 2, "greater than or equal to 1"),
    "bytes of a text that is not read": (
        "export {0} --output {0}/out --input ids --text-bytes 900",
        2,
        "is of files that take text: --input both",
    ),
    "run a missing file": ("run {0}/none.tflite hello", 1, "none.tflite"),
    "run a strange tflite": ("run {0}/strange.tflite hello", 1, "not a kerastx file"),
    "run a strange onnx": ("run {0}/strange.onnx hello", 1, "strange.onnx"),
    "run a text": ("run {0}/rows.tsv hello", 1, "rows.tsv"),
    "evaluate a missing file": ("evaluate {0}/none.onnx --data {0}/rows.tsv", 1, "none.onnx"),
    "evaluate a missing checkpoint": ("evaluate {0}/none --data {0}/rows.tsv", 1, "none"),
    "verify a strange file": ("verify {0}/strange.onnx --checkpoint {0}", 1, "strange.onnx"),
    "unknown verb": ("compose {0}", 2, "compose"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_line_and_leaves_nothing(kerastx, files, name):
    line, code, part = CASES[name]
    before = {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    found, out, err = kerastx(*line.format(files).split())
    assert found == code, err
    assert part in " ".join(err.split()), err
    assert "Traceback" not in err
    assert out == ""
    if code == 1:
        assert err.splitlines()[-1].startswith("error: ")
        assert sum(text.startswith("error: ") for text in err.splitlines()) == 1
    assert {path: path.read_bytes() for path in files.rglob("*") if path.is_file()} == before
    assert not (files / "out").exists()


def test_all_wrong_rows_are_counted_before_anything_is_trained(kerastx, files):
    (files / "wrong.tsv").write_text("label\ttext\nyes\tgood\nno\n\tno label\nno\tbad\n")
    code, _, err = kerastx(
        "finetune", "classify", "--train", files / "wrong.tsv", "--from", files, "--output", files / "out"
    )
    assert code == 1
    assert "wrong.tsv:3: expected" in err
    assert "1 more wrong row" in err


def test_prepare_works_and_does_not_replace(kerastx, files):
    arguments = ("prepare", "--corpus", files / "corpus.txt", "--vocabulary-size", 100, "--output", files / "new")
    code, _, err = kerastx(*arguments)
    assert code == 0, err
    assert "unigram entropy" in err
    code, _, err = kerastx(*arguments)
    assert code == 1
    assert "--force" in err
    assert kerastx(*arguments, "--force")[0] == 0


def test_a_run_that_another_process_trains_is_left_alone(files, kerastx):
    from kerastx.locks import locked

    output = files / "run"
    step = output / "steps" / "step-000000001"
    step.mkdir(parents=True)
    arguments = ("pretrain", "--data", files / "store", "--output", output, "--preset", "tiny", "--max-length", 16)
    with locked(files / ".run.lock", busy="not here"):
        for way in ("--resume", "--force"):
            code, _, error = kerastx(*arguments, "--steps", 1, way)
            assert code == 1
            assert "another process is training this run" in error.splitlines()[-1]
    assert step.is_dir()
    assert not (files / ".run.lock").exists()


def test_a_loss_that_is_not_finite_names_step_documents_and_checkpoint(files, kerastx):
    import json

    output = files / "run"
    sizes = "--preset tiny --batch-size 4 --max-length 16 --save-every 1 --steps 200 --learning-rate 1e30"
    code, _, error = kerastx("pretrain", "--data", files / "store", "--output", output, *sizes.split())
    assert code == 1
    last = error.splitlines()[-1]
    assert "error: the loss is not finite at step" in last
    assert "in a batch of documents " in last
    assert f"the last good checkpoint is {output / 'steps' / 'step-'}" in last or "no checkpoint was written" in last
    documents = json.loads((output / "not_finite.json").read_text())["documents"]
    assert {words.split()[0] for words in documents.values()} <= {"one", "a"}


def test_prepare_tells_what_it_left_out(kerastx, files):
    arguments = ("prepare", "--corpus", files / "corpus.txt", "--vocabulary-size", 100, "--output", files / "new")
    code, _, err = kerastx(*arguments, "--deduplicate")
    assert code == 0, err
    assert "new: left out exact copy: 1 documents (" in err
