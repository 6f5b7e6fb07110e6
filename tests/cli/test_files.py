"""The verbs around exported files: export, evaluate, verify, run. What fails is one line and leaves nothing behind."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from small_classifier import LABELS, small_classifier, small_texts

from kerastx.artifact import read_manifest
from kerastx.checkpoint.store import save_checkpoint
from kerastx.cli.lines import batches
from kerastx.runtime.session import load

TEXTS = small_texts()
# The gate asks for 97 % of the clear decisions: of 56 two more or less would decide, by chance.
LABELLED_TEXTS = small_texts(300)


@pytest.fixture
def rows(tmp_path):
    """A file of labelled rows, about half of which the small classifier gets right."""
    lines = ["label\ttext", *(f"{LABELS[index % 3]}\t{text}" for index, text in enumerate(LABELLED_TEXTS))]
    (tmp_path / "rows.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "rows.tsv"


def file_is_too_large(size: int):
    """Let no file of this process grow beyond `size` bytes: what a full disk does, without one."""

    @contextlib.contextmanager
    def limited():
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited()


def only_error(err: str) -> str:
    """Return the one `error:` line, which is the last."""
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert lines == err.splitlines()[-1:], err
    return lines[0]


# export


def test_export_writes_files_that_answer_and_prints_its_report(kerastx, classifier, rows, tmp_path):
    output = tmp_path / "made" / "export"
    code, out, err = kerastx(
        "export", classifier, "--output", output, "--formats", "onnx, tflite", "--dev", rows, "--json"
    )
    assert code == 0, err
    report = json.loads(out)
    assert sorted(path.name for path in output.iterdir()) == sorted(
        ["classification-dynamic_wi8_afp32.onnx", "classification-dynamic_wi8_afp32.tflite", "report.json", "report.md"]
    )
    assert list(output.parent.iterdir()) == [output]  # no temporary sibling stays
    assert report == json.loads((output / "report.json").read_text(encoding="utf-8"))
    for name in ("classification-dynamic_wi8_afp32.onnx", "classification-dynamic_wi8_afp32.tflite"):
        manifest = read_manifest(output / name)
        assert (manifest.labels, manifest.recipe) == (LABELS, "dynamic_wi8_afp32")
        assert manifest.sha256 in out
        assert load(output / name)(TEXTS[0]).label in LABELS
    assert "export onnx: done" in err


def test_an_existing_output_is_kept_unless_forced(kerastx, classifier, tmp_path):
    command = ("export", classifier, "--output", tmp_path / "out", "--formats", "onnx", "--recipe", "fp32")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "classification-fp32.onnx").write_text("precious")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    code, out, err = kerastx(*command)
    assert (code, out) == (1, "")
    assert "classification-fp32.onnx exists; choose another output or use --force" in only_error(err)
    assert (tmp_path / "out" / "classification-fp32.onnx").read_text() == "precious"
    code, out, err = kerastx(*command, "--force")
    assert (code, out) == (0, ""), err
    assert "classification-fp32.onnx" in err
    assert read_manifest(tmp_path / "out" / "classification-fp32.onnx").labels == LABELS
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("engine_format", ["tflite", "onnx"])
def test_a_full_disk_leaves_nothing(kerastx, classifier, tmp_path, engine_format):
    with file_is_too_large(30_000):
        code, out, err = kerastx("export", classifier, "--output", tmp_path / "out", "--formats", engine_format)
    assert (code, out) == (1, "")
    assert "cannot write" in only_error(err)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_old_files(kerastx, classifier, tmp_path):
    command = ("export", classifier, "--output", tmp_path / "out", "--formats", "onnx", "--recipe", "fp32", "--force")
    assert kerastx(*command)[0] == 0
    before = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == 3
    with file_is_too_large(30_000):
        code, _, err = kerastx(*command)
    assert code == 1
    only_error(err)
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_too_few_bytes_of_a_text(kerastx, classifier, tmp_path):
    command = ("export", classifier, "--output", tmp_path / "out", "--input", "both", "--text-bytes", 9)
    code, out, err = kerastx(*command)
    assert (code, out) == (2, "")
    assert "expected at least 32, a byte for each token, got 9" in " ".join(err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_made_is_said_at_once(kerastx, classifier, tmp_path):
    (tmp_path / "file").write_text("precious")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        code, out, err = kerastx("export", classifier, "--output", output, "--formats", "onnx")
        assert (code, out) == (1, "")
        assert str(output) in only_error(err)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_said(kerastx, classifier, tmp_path):
    tmp_path.chmod(0o555)
    try:
        code, _, err = kerastx("export", classifier, "--output", tmp_path / "out", "--formats", "onnx")
    finally:
        tmp_path.chmod(0o755)
    assert code == 1
    assert "Permission denied" in only_error(err)
    assert list(tmp_path.iterdir()) == []


# evaluate


def test_evaluate_gives_one_object_and_file_and_checkpoint_agree(kerastx, exported, classifier, rows):
    found = []
    for source in (classifier, exported("tflite"), exported("onnx")):
        code, out, err = kerastx("evaluate", source, "--data", rows, "--json")
        assert code == 0, err
        assert out.count("\n") == 1
        found.append(json.loads(out))
    predicted = load(exported("onnx")).predict_probabilities(LABELLED_TEXTS).argmax(1)
    expected = np.arange(len(LABELLED_TEXTS)) % 3
    assert found[0].keys() == {"task", "rows", "accuracy", "macro_f1", "majority_share"}
    assert (found[0]["task"], found[0]["rows"]) == ("classification", len(LABELLED_TEXTS))
    assert found[0]["accuracy"] == pytest.approx(np.mean(predicted == expected))
    assert 0.1 < found[0]["accuracy"] < 0.9
    assert found[0]["majority_share"] == pytest.approx(1 / 3)
    assert found[1] == found[0]
    assert found[2] == found[0]


def test_evaluate_prints_a_line_a_score_for_people(kerastx, exported, rows):
    path = exported("onnx")
    scores = json.loads(kerastx("evaluate", path, "--data", rows, "--json")[1])
    code, out, _ = kerastx("evaluate", path, "--data", rows)
    assert code == 0
    lines = dict(line.split() for line in out.splitlines())
    assert lines.keys() == scores.keys()
    assert lines["rows"] == "300"
    assert float(lines["accuracy"]) == pytest.approx(scores["accuracy"], abs=5e-5)


def test_a_label_that_the_file_does_not_know_is_shown_with_its_line(kerastx, exported, classifier, rows):
    rows.write_text("label\ttext\ngood\tthe cat\ngreat\tthe dog\nfine\tthe hill\n")
    for source in (exported("onnx"), classifier):
        code, out, err = kerastx("evaluate", source, "--data", rows)
        assert (code, out) == (1, "")
        assert f"{rows}:3: expected one of the labels" in only_error(err)
        assert "'great'; and 1 more wrong row" in err


def test_evaluate_refuses_a_checkpoint_without_labels(kerastx, rows, tmp_path):
    from kerastx.checkpoint.store import build_model

    checkpoint = small_classifier()
    model = build_model("pretraining", checkpoint.config)
    save_checkpoint(
        tmp_path / "pretrained", dataclasses.replace(checkpoint, model=model, task="pretraining", labels=())
    )
    code, out, err = kerastx("evaluate", tmp_path / "pretrained", "--data", rows)
    assert (code, out) == (1, "")
    assert "is a pretraining checkpoint; fine-tune it first" in only_error(err)


# verify


@pytest.mark.parametrize("kind", [("tflite", "fp32"), ("onnx", "dynamic_wi8_afp32")], ids="-".join)
def test_verify_says_what_it_compared(kerastx, exported, classifier, rows, kind):
    path = exported(*kind)
    code, out, err = kerastx("verify", path, "--checkpoint", classifier, "--dev", rows)
    assert code == 0, err
    assert f"{path}: unaltered, answers like its checkpoint" in out
    assert f"recipe {kind[1]}, SHA-256 {read_manifest(path).sha256}" in out
    assert "compared on 300 labelled rows" in out


def test_verify_notices_another_checkpoint(kerastx, exported, tmp_path):
    checkpoint = small_classifier()
    bias = checkpoint.model.get_layer("classifier_head").bias
    bias.assign_add(np.array([0.0, 0.01, 0.0], "float32"))
    save_checkpoint(tmp_path / "other_weights", checkpoint)
    save_checkpoint(tmp_path / "other_labels", dataclasses.replace(checkpoint, labels=("x", "y", "z")))
    code, out, err = kerastx("verify", exported("onnx"), "--checkpoint", tmp_path / "other_weights")
    assert (code, out) == (1, "")
    assert "away from Keras" in only_error(err)
    code, out, err = kerastx("verify", exported("onnx"), "--checkpoint", tmp_path / "other_labels")
    assert (code, out) == (1, "")
    assert "made from another checkpoint: its labels differs" in only_error(err)


@pytest.mark.parametrize("engine_format", ["tflite", "onnx"])
@pytest.mark.parametrize("verb", ["run", "evaluate", "verify"])
def test_a_damaged_file_is_refused_by_every_verb(kerastx, exported, classifier, rows, tmp_path, verb, engine_format):
    content = bytearray(exported(engine_format).read_bytes())
    path = tmp_path / f"damaged.{engine_format}"
    more = {"run": ["text"], "evaluate": ["--data", rows], "verify": ["--checkpoint", classifier]}[verb]
    altered = bytearray(content)
    altered[len(content) // 3] ^= 1
    for damaged in (altered, content[:-1], content[: len(content) - 5000]):
        path.write_bytes(damaged)
        code, out, err = kerastx(verb, path, *more)
        assert (code, out) == (1, "")
        assert "truncated or altered" in only_error(err)


# run


def answers(exported, texts) -> list[tuple[str, str]]:
    return [(answer.label, f"{answer.probability:.4f}") for answer in load(exported("onnx"))(texts)]


def test_run_answers_its_arguments(kerastx, exported):
    texts = [TEXTS[0], TEXTS[1], "", "Ünïcode 猫\twith a tab"]
    code, out, err = kerastx("run", exported("onnx"), *texts)
    assert (code, err) == (0, "")
    found = [line.split("\t", 2) for line in out.splitlines()]
    assert [(label, probability) for label, probability, _ in found] == answers(exported, texts)
    assert [text for *_, text in found] == texts


def test_a_text_of_several_lines_gives_one_line(kerastx, exported):
    text = "the cat\nsat on\r\nthe mat"
    code, out, _ = kerastx("run", exported("onnx"), text)
    assert code == 0
    ((label, probability),) = answers(exported, [text])
    assert out == f"{label}\t{probability}\tthe cat sat on  the mat\n"


def test_run_as_json_keeps_text_and_all_probabilities(kerastx, exported):
    texts = ["Ünïcode 猫", 'a "quoted"\nline', TEXTS[2]]
    code, out, _ = kerastx("run", exported("tflite"), *texts, "--json", "--threads", 2)
    assert code == 0
    for line, text, answer in zip(out.splitlines(), texts, load(exported("tflite"))(texts), strict=True):
        found = json.loads(line)
        assert (found["text"], found["label"]) == (text, answer.label)
        assert found["probability"] == pytest.approx(answer.probability, abs=1e-5)
        assert list(found["probabilities"]) == list(answer.probabilities)
        assert found["probabilities"] == pytest.approx(answer.probabilities, abs=1e-5)


def test_run_reads_lines_and_survives_bytes_that_are_no_utf8(kerastx, exported, monkeypatch):
    lines = [b"the cat", b"caf\xe9 \xff", b"", "猫".encode(), b"windows\r", b"no end"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(lines))))
    code, out, err = kerastx("run", exported("onnx"))
    assert (code, err) == (0, "")
    texts = ["the cat", "caf\ufffd \ufffd", "", "猫", "windows", "no end"]
    assert [line.split("\t")[2] for line in out.splitlines()] == texts
    assert [tuple(line.split("\t")[:2]) for line in out.splitlines()] == answers(exported, texts)


def test_run_of_an_empty_stdin_prints_nothing(kerastx, exported, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert kerastx("run", exported("onnx")) == (0, "", "")


def test_more_lines_than_one_batch_keep_their_order(kerastx, exported, monkeypatch):
    texts = [f"{text} again {number}" for number in range(12) for text in TEXTS]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(texts).encode())))
    code, out, _ = kerastx("run", exported("onnx"))
    assert code == 0
    assert [line.split("\t")[2] for line in out.splitlines()] == texts
    # In the batches of the verb: another batch adds up in another order, which the last of four digits may show.
    expected = [answer for batch in batches(texts) for answer in answers(exported, batch)]
    assert [tuple(line.split("\t")[:2]) for line in out.splitlines()] == expected


PROGRAM = [sys.executable, "-c", "from kerastx.cli.app import main; main()"]


def process(*arguments: object, **options) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONUNBUFFERED", "LC_ALL")}
    environment |= {"PYTHONIOENCODING": options.pop("encoding", "utf-8:strict")}
    command = [*PROGRAM, *map(os.fsencode, map(str, arguments))]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, **options)


def test_a_reader_that_leaves_is_no_error(exported, tmp_path):
    (tmp_path / "lines.txt").write_text("the old cat sat on the hill and the dog ran\n" * 20_000)
    with (tmp_path / "lines.txt").open("rb") as lines:
        run = process("run", exported("onnx"), stdin=lines, stdout=subprocess.PIPE)
        assert run.stdout.readline().endswith(b"\tthe old cat sat on the hill and the dog ran\n")
        run.stdout.close()
        assert run.stderr.read() == b""
        assert run.wait(60) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("verb", ["run", "evaluate"])
def test_results_that_cannot_be_written_are_an_error(exported, rows, verb):
    more = {"run": ["text"], "evaluate": ["--data", rows]}[verb]
    with open("/dev/full", "wb") as full:
        run = process(verb, exported("onnx"), *more, stdout=full)
        assert "No space left" in only_error(run.stderr.read().decode())
        assert run.wait(60) == 1


def test_any_text_can_be_printed_whatever_the_locale(exported):
    run = process("run", exported("onnx"), "--json", "猫 \udcff", stdout=subprocess.PIPE, encoding="ascii:strict")
    out, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (0, b"")
    assert "猫".encode() in out
    assert json.loads(out)["text"] == "猫 \udcff"


def test_closed_streams_are_empty_ones(exported):
    command = ["sh", "-c", 'exec "$@" <&- >&-', "sh", *PROGRAM, "run", str(exported("onnx"))]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
