"""kerastx inspect: as text, as JSON and as a picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest
from rich.cells import cell_len

from kerastx.data.prepare import prepare

ROWS = [
    ("a fine day", "sun"),
    ("a  Fine day", "sun"),
    ("it rains and rains", "rain"),
    ("短い文", "雨"),
    ("A FINE DAY", "rain"),
]
DEV = [("a fine day", "sun"), ("never seen before", "snow")]


@pytest.fixture
def files(tmp_path):
    for name, rows in (("train.tsv", ROWS), ("dev.tsv", DEV)):
        (tmp_path / name).write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), "utf-8")
    (tmp_path / "corpus.txt").write_text("\n\n".join(["The red cat. A blue dog ran."] * 3 + ["Another text. It ends."]))
    prepare([tmp_path / "corpus.txt"], tmp_path / "store", vocabulary_size=100)
    return tmp_path


def colors(file) -> int:
    return len(np.unique(matplotlib.image.imread(file).reshape(-1, 4), axis=0))


def test_labelled_rows_as_text(kerastx, files):
    code, out, err = kerastx("inspect", "--train", files / "train.tsv", "--dev", files / "dev.tsv")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert next(line.split() for line in lines if line.startswith("rows ")) == ["rows", "5", "2"]
    assert (
        next(line.split() for line in lines if line.startswith("repeat "))
        == "repeat an earlier row 2 40.0% 0 0.0%".split()
    )
    assert next(line.split() for line in lines if line.startswith("雨")) == "雨 3 1 20.0% 0 0.0%".split()
    places = f"first: {files}/dev.tsv:2 = {files}/train.tsv:2"
    overlap = f"! 1 dev row (50.0%) that also stand in train: the score flatters; {places}"
    assert overlap in lines
    assert any(line.startswith("! 1 dev label not in train: snow") for line in lines)
    table = [line for line in lines if line.startswith(("label ", "sun ", "rain ", "雨 "))]
    assert len({cell_len(line) for line in table}) == 1  # wide characters stay in their columns


def test_labelled_rows_as_json_with_tokens(kerastx, files):
    arguments = (
        "--train",
        files / "train.tsv",
        "--dev",
        files / "dev.tsv",
        "--from",
        files / "store",
        "--max-length",
        8,
    )
    code, out, _ = kerastx("inspect", *arguments, "--json")
    values = json.loads(out)
    assert code == 0
    assert values["train"]["labels"] == {"sun": 2, "rain": 2, "雨": 1}
    assert values["train"]["duplicates"]["rows"] == 2
    assert values["train"]["conflicts"]["rows"] == 1
    assert values["overlap"]["examples"][0]["like"].endswith("train.tsv:2")
    assert values["train"]["tokens"]["max"] >= 5
    assert 0 < values["train"]["unknown_share"] < 1
    assert any("[UNK]" in line for line in values["warnings"])


def test_columns_of_a_file_without_a_header(kerastx, tmp_path):
    (tmp_path / "rows.csv").write_text('"1","one text"\n"2","another"\n')
    code, out, _ = kerastx(
        "inspect", "--train", tmp_path / "rows.csv", "--text-column", 1, "--label-column", 0, "--json"
    )
    assert code == 0
    assert json.loads(out)["train"]["labels"] == {"1": 1, "2": 1}


def test_a_store_as_text_and_json(kerastx, files):
    code, out, err = kerastx("inspect", files / "store")
    assert code == 0, err
    assert next(line.split() for line in out.splitlines() if line.startswith("documents ")) == ["documents", "4"]
    assert "the red cat. a blue dog ran." in out
    assert "! 2 documents (50.0%) that repeat an earlier one" in out
    code, out, _ = kerastx("inspect", files / "store", "--json")
    values = json.loads(out)
    assert values["documents"] == 4
    assert values["duplicate_documents"] == 2
    assert len(values["warnings"]) >= 2


def test_filters_of_the_manifest_are_shown(kerastx, files):
    manifest = files / "store" / "manifest.json"
    values = json.loads(manifest.read_text())
    values |= {"filters": {"min_tokens": 5, "languages": ["en", "de"]}, "removed": {"too short": 1234}}
    manifest.write_text(json.dumps(values))
    out = kerastx("inspect", files / "store")[1]
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "removed, too short 1,234" in rows
    assert "filters, languages en, de" in rows


@pytest.mark.parametrize("what", ["store", "rows"])
def test_a_picture_is_drawn_and_replaced_with_force_only(kerastx, files, what):
    source = [files / "store"] if what == "store" else ["--train", files / "train.tsv", "--from", files / "store"]
    picture = files / "made" / "report.png"
    code, out, err = kerastx("inspect", *source, "--png", picture)
    assert code == 0, err
    assert out
    assert colors(picture) > 20
    assert [path.name for path in picture.parent.iterdir()] == ["report.png"]
    before = picture.read_bytes()
    code, out, err = kerastx("inspect", *source, "--png", picture)
    assert (code, out) == (1, "")
    assert "pass --force to replace it" in err
    assert picture.read_bytes() == before


def test_many_labels_and_odd_names_are_drawn_over_an_old_picture(kerastx, tmp_path):
    rows = "".join(f"text number {n} of many\tlabel {n % 150} $x_{{ \\frac 体\n" for n in range(400))
    (tmp_path / "many.tsv").write_text("text\tlabel\n" + rows, "utf-8")
    matplotlib.image.imsave(tmp_path / "many.png", np.zeros((3, 3)))
    code, out, err = kerastx("inspect", "--train", tmp_path / "many.tsv", "--png", tmp_path / "many.png", "--force")
    assert code == 0, err
    assert "... 120 more (all with --json)" in out
    assert colors(tmp_path / "many.png") > 20


HEAVY = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "sklearn", "scipy", BLOCKED}:
            raise ModuleNotFoundError(name, name=name)
BLOCKED = sys.argv.pop(1)
sys.meta_path.insert(0, Block())
from kerastx.cli.app import main
main(sys.argv[1:])
"""


def run(files, blocked, *arguments):
    command = [sys.executable, "-c", HEAVY, blocked, "inspect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ})


def test_neither_tensorflow_nor_keras_is_needed(files):
    done = run(files, "torch", "--train", files / "train.tsv", "--from", files / "store", "--png", files / "a.png")
    assert done.returncode == 0, done.stderr


def test_only_the_picture_needs_matplotlib(files):
    assert run(files, "matplotlib", files / "store").returncode == 0
    done = run(files, "matplotlib", files / "store", "--png", files / "a.png")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "error: matplotlib is needed for this and is not installed; run: pip"
    )
    assert not (files / "a.png").exists()
