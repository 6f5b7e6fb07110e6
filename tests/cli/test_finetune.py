"""kerastx finetune: every kind of task learns, is scored on rows that it never saw, and is told what is wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest

from kerastx.checkpoint.answering import predict
from kerastx.checkpoint.store import load_checkpoint, save_checkpoint
from kerastx.cli.app import main
from kerastx.data.readers import read_labelled
from kerastx.errors import CheckpointError

START = Path(__file__).resolve().parent.parent / "golden" / "bert-model"
# A model of 2 layers x 16 over letters learns these in a second or two; precision as on every machine.
FAST = ["--from", str(START), "--learning-rate", "1e-2", "--max-length", "16", "--precision", "float32"]


def words(letters, random, count=5):
    return " ".join(random.choice(list(letters), count))


def write_rows(file, rows, header="text\tlabel"):
    file.write_text("\n".join([header, *("\t".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return file


def letter_rows(count=240):
    """Texts of early or of late letters, with their label."""
    random = np.random.default_rng(3)
    return [(words("abcde" if i % 2 else "vwxyz", random), "early" if i % 2 else "late") for i in range(count)]


def finetune(verb, *options):
    with pytest.raises(SystemExit) as done:
        main(["finetune", verb, *FAST, *map(str, options)])
    assert done.value.code == 0


def result(capsys):
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def error(capsys, verb, *options):
    with pytest.raises(SystemExit) as stopped:
        main(["finetune", verb, *FAST, *map(str, options)])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    return stopped.value.code, lines[-1] if lines else ""


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    """A classifier that knows its letters, and the scores that its training printed."""
    folder = tmp_path_factory.mktemp("letters")
    train = write_rows(folder / "train.tsv", letter_rows())
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        finetune("classify", "--train", train, "--dev-share", 0.2, "--epochs", 6, "--output", folder / "out", "--json")
    return folder / "out", json.loads(printed.getvalue())


def test_from_a_hugging_face_folder_to_a_checkpoint_of_ours(letters):
    output, scores = letters
    assert scores["accuracy"] == 1.0
    assert scores["rows"] == 48
    assert scores["baseline_accuracy"] > 0.9
    dev = read_labelled(output / "dev.jsonl")  # what --dev-share took, for export and evaluate
    assert len(dev) == 48
    checkpoint = load_checkpoint(output)
    found = predict(checkpoint, dev.texts)["probabilities"].argmax(-1)
    assert (found == dev.targets).all()
    assert checkpoint("v w x").label == "late"
    assert [answer.label for answer in checkpoint(["a b c", "z y x"])] == ["early", "late"]


def test_pairs(tmp_path, capsys):
    """Whether both texts are of the same letters: neither text alone says it."""
    random = np.random.default_rng(5)
    rows = []
    for _ in range(600):
        first, second = random.integers(0, 2, 2)
        texts = [words(("ab", "yz")[side], random, 3) for side in (first, second)]
        rows.append((*texts, "same" if first == second else "other"))
    train = write_rows(tmp_path / "train.tsv", rows, "sentence1\tsentence2\tlabel")
    output = tmp_path / "out"
    finetune(
        "pair", "--train", train, "--dev-share", 0.2, "--epochs", 14, "--output", output, "--json", "--hold-out", 0
    )
    scores = result(capsys)
    assert scores["accuracy"] > 0.9
    assert {"f1", "mcc"} <= set(scores)
    checkpoint = load_checkpoint(output)
    assert checkpoint.pair
    assert checkpoint(["a b a"], ["y z z"])[0].label == "other"


def test_vectors_of_rated_pairs(tmp_path, capsys):
    random = np.random.default_rng(6)
    rows = []
    for _ in range(300):
        first, second = random.integers(0, 2, 2)
        texts = [words(("abcd", "wxyz")[side], random, 3) for side in (first, second)]
        rows.append((*texts, 5 if first == second else random.integers(0, 2)))
    train = write_rows(tmp_path / "train.tsv", rows, "sentence1\tsentence2\tscore")
    output = tmp_path / "out"
    finetune("embed", "--train", train, "--dev-share", 0.2, "--epochs", 6, "--output", output, "--json")
    assert result(capsys)["spearman"] > 0.75
    checkpoint = load_checkpoint(output)
    assert (checkpoint.task, checkpoint.pair, checkpoint.labels) == ("embedding", False, ())
    one, same, other = checkpoint(["a b c", "d a a", "x y z"])
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert one @ same > one @ other + 0.1
    again = tmp_path / "again"  # a sentence encoder goes on from itself; of two --from the last counts
    finetune(
        "embed", "--train", train, "--dev-share", 0.2, "--epochs", 1, "--from", output, "--output", again, "--json"
    )
    assert result(capsys)["spearman"] > 0.75


@pytest.mark.parametrize("third", [False, True])
def test_vectors_of_texts_that_belong_together(tmp_path, capsys, third):
    """A text belongs to its letters in reverse."""
    random = np.random.default_rng(8)
    rows = []
    for _ in range(200):
        text, other = words("abcde", random, 5), words("abcde", random, 5)
        rows.append((text, " ".join(reversed(text.split())), other)[: 3 if third else 2])
    train = write_rows(tmp_path / "train.tsv", rows, "anchor\tpositive" + "\tnegative" * third)
    output = tmp_path / "out"
    finetune("embed", "--positives", "--train", train, "--dev-share", 0.2, "--epochs", 8, "--output", output, "--json")
    scores = result(capsys)
    assert scores["recall_at_1"] > 0.5
    assert scores["mean_reciprocal_rank"] > 0.6
    with pytest.raises(SystemExit) as done:
        main(["evaluate", str(output), "--data", str(output / "dev.jsonl"), "--json"])
    assert done.value.code == 0
    again = result(capsys)
    assert again["recall_at_1"] == pytest.approx(scores["recall_at_1"])
    main_scores = ["export", str(output), "--dev", str(output / "dev.jsonl"), "--formats", "onnx"]
    with pytest.raises(SystemExit) as done:
        main([*main_scores, "--recipe", "fp32", "--output", str(tmp_path / "files"), "--json"])
    assert done.value.code == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert (file["score"]["metric"], file["score"]["rows"]) == ("recall_at_1", scores["rows"])
    assert file["score"]["file"] == pytest.approx(scores["recall_at_1"])


def test_vectors_are_not_trained_on_nothing(tmp_path, capsys):
    rated = write_rows(tmp_path / "rated.tsv", [("a b", "c", 1), ("d", "e f", 1)], "sentence1\tsentence2\tscore")
    tied = write_rows(tmp_path / "tied.tsv", [("a", "b"), ("c", "b")], "anchor\tpositive")
    for options, message in (
        (("--train", rated), "got the same rating in every row"),
        (("--train", tied, "--positives"), "got rows that all share texts"),
        (("--train", tied, "--positives", "--batch-size", 1), "a --batch-size of at least 2, got 1"),
    ):
        code, line = error(capsys, "embed", *options, "--output", tmp_path / "out")
        assert code == 1
        assert message in line
        assert not (tmp_path / "out").exists()


def test_answers_under_dropout_are_drawn_together(tmp_path, capsys):
    train = write_rows(tmp_path / "train.tsv", [(text, int(label == "early")) for text, label in letter_rows(400)])
    output = tmp_path / "out"
    options = ("--consistency", 0.5, "--dropout-rate", 0.1, "--class-weights", "balanced", "--accumulate", 2)
    finetune("classify", "--train", train, "--dev-share", 0.2, "--epochs", 6, *options, "--output", output, "--json")
    assert result(capsys)["accuracy"] > 0.9
    code, line = error(
        capsys, "classify", "--train", train, "--consistency", 1, "--dropout-rate", 0, "--output", tmp_path / "no"
    )
    assert code in (1, 2)
    assert "without dropout there is nothing to draw" in line


@pytest.mark.parametrize(
    "options",
    [
        ("classify", "--positives"),
        ("pair", "--negative-column", "c"),
        ("embed", "--negative-column", "c"),
        ("embed", "--positives", "--label-column", "c"),
        ("embed", "--regression"),
        ("embed", "--pad-to-max"),
        ("embed", "--consistency", "1"),
    ],
)
def test_options_of_other_verbs(tmp_path, options):
    with pytest.raises(SystemExit) as stopped:
        main(["finetune", *options, "--from", "x", "--train", "x.tsv", "--output", str(tmp_path / "out")])
    assert stopped.value.code == 2


def test_a_score_of_a_text(tmp_path, capsys):
    """The share of early letters, times 50: far from where a fresh head begins."""
    random = np.random.default_rng(7)
    rows = []
    for _ in range(300):
        early = random.integers(0, 6)
        letters = [*random.choice(list("abc"), early), *random.choice(list("xyz"), 5 - early)]
        rows.append((" ".join(random.permutation(letters)), 50 * early / 5))
    train = write_rows(tmp_path / "train.tsv", rows)
    output = tmp_path / "out"
    finetune(
        "classify", "--regression", "--train", train, "--dev-share", 0.2, "--epochs", 12, "--output", output, "--json"
    )
    scores = result(capsys)
    assert scores["spearman"] > 0.9
    assert scores["mean_absolute_error"] < 6
    checkpoint = load_checkpoint(output)
    assert checkpoint.task == "regression"
    assert checkpoint("a b c a b").score > 35 > checkpoint("x y z x y").score


def test_any_number_of_labels(tmp_path, capsys):
    random = np.random.default_rng(9)
    rows = []
    for _ in range(300):
        early, late = random.integers(0, 2, 2)
        text = f"{words('abc' if early else 'mno', random, 3)} {words('xyz' if late else 'mno', random, 3)}"
        rows.append((text, ",".join(name for name, is_there in (("early", early), ("late", late)) if is_there)))
    train = write_rows(tmp_path / "train.tsv", rows)
    output = tmp_path / "out"
    finetune(
        "classify", "--multi-label", "--train", train, "--dev-share", 0.2, "--epochs", 12, "--output", output, "--json"
    )
    assert result(capsys)["micro_f1"] > 0.95
    checkpoint = load_checkpoint(output)
    assert set(checkpoint("a b c x y z").labels) == {"early", "late"}
    assert checkpoint("m n o m n o").labels == ()


def test_lora_learns_and_what_is_saved_is_plain(tmp_path, capsys):
    train = write_rows(tmp_path / "train.tsv", letter_rows())
    output = tmp_path / "out"
    finetune(
        "classify", "--train", train, "--dev-share", 0.2, "--epochs", 8, "--lora-rank", 4, "--output", output, "--json"
    )
    assert result(capsys)["accuracy"] == 1.0
    assert not [variable.path for variable in load_checkpoint(output).model.weights if "lora" in variable.path]


def test_a_student_learns_from_its_teacher(tmp_path, capsys, letters):
    """The student's labels are all wrong; with the teacher's word alone it still learns the truth."""
    rows = letter_rows()
    train = write_rows(tmp_path / "train.tsv", rows)
    flipped = [(text, "late" if label == "early" else "early") for text, label in rows]
    wrong = write_rows(tmp_path / "wrong.tsv", flipped)
    finetune(
        "classify", "--train", wrong, "--teacher", letters[0], "--teacher-weight", 1, "--hold-out", 0,
        "--epochs", 6, "--dev", train, "--output", tmp_path / "student", "--json",
    )  # fmt: skip
    assert result(capsys)["accuracy"] == 1.0


def test_a_student_learns_from_texts_that_only_the_teacher_knows(tmp_path, capsys, letters):
    """Its own rows are two; what early and late letters are stands in texts without labels."""
    rows, others = letter_rows(480)[:240], letter_rows(480)[240:]
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(text for text, _ in rows) + "\n\n", encoding="utf-8")
    dev = write_rows(tmp_path / "dev.tsv", others)
    few = write_rows(tmp_path / "few.tsv", rows[:2])
    accuracies = []
    for more in ([], ["--teacher", letters[0], "--unlabelled", texts]):
        output = tmp_path / f"student-{len(more)}"
        finetune("classify", "--train", few, "--dev", dev, "--epochs", 6, "--output", output, "--json", *more)
        accuracies.append(result(capsys)["accuracy"])
    assert accuracies[1] == 1.0 > accuracies[0]


def test_what_is_scored_is_not_learned_from_though_a_teacher_judges_it(tmp_path, capsys, letters, monkeypatch):
    rows = letter_rows(60)
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(text for text, _ in [*rows, ("a new text", "")]) + "\n", encoding="utf-8")
    dev = write_rows(tmp_path / "dev.tsv", rows[:20])
    train = write_rows(tmp_path / "train.tsv", rows[20:])
    asked = []

    def watch(teacher, data, texts=()):
        asked.extend(texts)
        raise CheckpointError("seen enough")

    monkeypatch.setattr("kerastx.cli.finetune_run.taught", watch)
    options = ("--teacher", letters[0], "--unlabelled", texts, "--output", tmp_path / "out")
    assert error(capsys, "classify", "--train", train, "--dev", dev, *options) == (1, "error: seen enough")
    assert asked == [*(text for text, _ in rows[20:]), "a new text"]


def test_a_teacher_of_other_labels(tmp_path, capsys, letters):
    other = write_rows(tmp_path / "other.tsv", [(text, label.upper()) for text, label in letter_rows(40)])
    code, line = error(capsys, "classify", "--train", other, "--teacher", letters[0], "--output", tmp_path / "student")
    assert code == 1
    assert "expected a classification into EARLY, LATE, found classification with early, late" in line
    assert not (tmp_path / "student").exists()


def test_a_teacher_of_pairs_for_single_texts(tmp_path, capsys, letters):
    teacher = save_checkpoint(tmp_path / "teacher", dataclasses.replace(load_checkpoint(letters[0]), pair=True))
    train = write_rows(tmp_path / "train.tsv", letter_rows(40))
    code, line = error(capsys, "classify", "--train", train, "--teacher", teacher, "--output", tmp_path / "student")
    assert code == 1
    assert f"--teacher {teacher}: expected a teacher of single texts, found one that answers pairs" in line
    assert not (tmp_path / "student").exists()


def test_held_out_rows_weigh_what_rows_of_training_weigh(tmp_path, capsys, monkeypatch):
    """By plain accuracy the kept epoch would be the one that the weights moved least."""
    seen = set()

    def watch(*_, held_out, **__):
        for _, targets, weights in held_out:
            seen.update(zip(targets["logits"].numpy().tolist(), weights["logits"].numpy().tolist(), strict=True))
        raise CheckpointError("seen enough")

    monkeypatch.setattr("kerastx.cli.finetune_run.finetune", watch)
    train = write_rows(tmp_path / "train.tsv", letter_rows(100))
    options = ("--hold-out", 0.3, "--class-weights", "late=20", "--output", tmp_path / "out")
    assert error(capsys, "classify", "--train", train, *options) == (1, "error: seen enough")
    assert seen == {(0, 1.0), (1, 20.0)}


def test_class_weights_move_the_decision(tmp_path, capsys):
    """Letters say nothing here and one label is rare: only its weight makes it the answer."""
    random = np.random.default_rng(11)
    rows = [(words("abcdefgh", random), "rare" if number % 5 == 0 else "often") for number in range(200)]
    train = write_rows(tmp_path / "train.tsv", rows)
    shares = {}
    for weights in ("often=1", "rare=20"):
        output = tmp_path / weights
        # The head alone can do it. Typer takes the last of two learning rates.
        finetune(
            "classify", "--train", train, "--epochs", 2, "--learning-rate", 3e-2, "--hold-out", 0, "--freeze", 2,
            "--class-weights", weights, "--output", output,
        )  # fmt: skip
        found = predict(load_checkpoint(output), [text for text, _ in rows])["probabilities"]
        shares[weights] = (found[:, 1] > 0.5).mean()
    assert shares["often=1"] < 0.2
    assert shares["rare=20"] > 0.8


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (
            ["--class-weights", "early=x"],
            1,
            "expected balanced or LABEL=WEIGHT of the labels early, late, got 'early=x'",
        ),
        (["--class-weights", "nope=2"], 1, "got 'nope=2'"),
        (["--class-weights", "early=0,late=0"], 1, "expected a weight above 0 for some label, got 0 for all"),
        (["--regression", "--class-weights", "balanced"], 1, "expected a number, got 'late'"),
        (["--multi-label", "--teacher", "x"], 2, "--teacher is for classification"),
        (["--unlabelled", "texts.txt"], 2, "--unlabelled are single texts for a --teacher to judge"),
        (["--freeze", "1", "--lora-rank", "2"], 2, "--lora-rank freezes the encoder already"),
        (["--layer-decay", "1.5"], 2, "the layer decay must be in (0, 1], got 1.5"),
        (["--freeze", "9"], 2, "expected 0 to 2 frozen encoder blocks, got 9"),
        (["--max-length", "400"], 2, "max_length must be in [3, 20], got 400"),
    ],
)
def test_options_that_do_not_fit(tmp_path, capsys, options, code, message):
    train = write_rows(tmp_path / "train.tsv", letter_rows(40))
    found_code, line = error(capsys, "classify", "--train", train, "--output", tmp_path / "out", *options)
    assert message in line
    assert found_code == code
    assert not (tmp_path / "out").exists()


def test_texts_taken_for_labels(tmp_path, capsys):
    rows = [(text, number) for number, (text, _) in enumerate(letter_rows(60))]
    train = write_rows(tmp_path / "train.tsv", rows)
    code, line = error(capsys, "classify", "--train", train, "--output", tmp_path / "out")
    assert code == 1
    assert f"{train}: expected labels that many rows share, got 60 different ones in 60 rows" in line


def test_both_multi_label_and_regression(tmp_path):
    train = write_rows(tmp_path / "train.tsv", letter_rows(40))
    with pytest.raises(SystemExit) as stopped:
        main(["finetune", "classify", *FAST, "--train", str(train), "--multi-label", "--regression", "--output", "out"])
    assert stopped.value.code == 2


def test_a_number_that_is_none_is_named_with_its_line(tmp_path, capsys):
    train = write_rows(tmp_path / "train.tsv", [("a", 1.5), ("b", "many"), ("c", 2)])
    code, line = error(capsys, "classify", "--regression", "--train", train, "--output", tmp_path / "out")
    assert code == 1
    assert f"{train}:3: expected a number, got 'many'" in line
