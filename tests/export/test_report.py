"""What an export tells about its files: complete, exact and the same in JSON, Markdown and on the terminal."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from kerastx_export import environment
from kerastx_export.agreement import Agreement, Correlation, Similarity
from kerastx_export.parity import Difference, Parity
from kerastx_export.recipes import RECIPES
from kerastx_export.report import FileReport, Report, parity_lines
from kerastx_export.scoring import Score
from kerastx_export.text_cost import TextCost


def parity(*, scored: bool) -> Parity:
    return Parity(
        differences=[Difference("logits", 0.0625, "one text"), Difference("probabilities", 0.25, "two texts")],
        agreement=Agreement(texts=200, share=0.985, clear_texts=150, clear_share=0.99, mean_drift=0.0125),
        scores=[Score(rows=400, keras=0.9, file=0.8975, interval=(-0.0125, 0.0075))] if scored else [],
    )


def report_of(*, scored: bool, recipe: str = "dynamic_wi8_afp32") -> Report:
    file = FileReport(
        name="classification-x.tflite",
        engine_format="tflite",
        size_bytes=1_500_000,
        fp32_size_bytes=5_000_000,
        sha256="ab" * 32,
        parity=parity(scored=scored),
        latency_ms={12: 1.25, 128: 10.5},
        operators={"FULLY_CONNECTED": 12, "GELU": 2},
    )
    return Report(
        task="classification",
        labels=("no", "yes"),
        parameters=1_234_567,
        recipe=RECIPES[recipe],
        compared_on="400 labelled rows",
        files=[file],
        versions={"kerastx": "0.1.0", "keras": "3.15.0"},
        hardware="a CPU, 2 cores",
        seconds=12.34,
        paths=[Path("out/classification-x.tflite"), Path("out/report.md")],
    )


def test_json_holds_every_number():
    content = json.loads(report_of(scored=True).to_json())
    (file,) = content.pop("files")
    note = RECIPES["dynamic_wi8_afp32"].note
    assert content == {
        "task": "classification",
        "labels": ["no", "yes"],
        "pair": False,
        "parameters": 1_234_567,
        "recipe": {"name": "dynamic_wi8_afp32", "note": note, "tolerance": None},
        "compared_on": "400 labelled rows",
        "no_text": "",
        "versions": {"kerastx": "0.1.0", "keras": "3.15.0"},
        "hardware": "a CPU, 2 cores",
        "seconds": 12.3,
    }
    assert file["scores"] == [file["score"]]
    del file["scores"]
    assert file.pop("score") == {
        "metric": "accuracy",
        "rows": 400,
        "file": 0.8975,
        "keras": 0.9,
        "difference": pytest.approx(-0.0025),
        "interval_95": [-0.0125, 0.0075],
    }
    assert file == {
        "file": "classification-x.tflite",
        "format": "tflite",
        "size_bytes": 1_500_000,
        "fp32_size_bytes": 5_000_000,
        "size_ratio": 0.3,
        "sha256": "ab" * 32,
        "max_difference": {"logits": 0.0625, "probabilities": 0.25},
        "max_difference_for": {"logits": "one text", "probabilities": "two texts"},
        "agreement": {
            "texts": 200,
            "share": 0.985,
            "clear_texts": 150,
            "clear_share": 0.99,
            "mean_drift": 0.0125,
            "unit": "texts",
        },
        "latency_ms": {"12": 1.25, "128": 10.5},
        "operators": {"FULLY_CONNECTED": 12, "GELU": 2},
    }
    assert json.loads(report_of(scored=False).to_json())["files"][0]["score"] is None


def test_the_table_has_scores_only_where_there_are_some():
    assert report_of(scored=True).table().splitlines() == [
        "|  | .tflite in LiteRT |",
        "| --- | ---: |",
        "| size | 1.50 MB |",
        "| share of its fp32 size | 30.0% |",
        "| decides like Keras | 98.50% of 200 |",
        "| largest difference | 2.5e-01 |",
        "| accuracy of the file | 89.75% |",
        "| accuracy of Keras | 90.00% |",
        "| difference in points | -0.25 |",
        "|   its 95 % interval | -1.25 to +0.75 |",
        "| CPU ms at 12 tokens | 1.25 |",
        "| CPU ms at 128 tokens | 10.50 |",
    ]
    unscored = report_of(scored=False).table()
    assert "accuracy" not in unscored
    assert "interval" not in unscored
    assert "| CPU ms at 128 tokens | 10.50 |" in unscored


def test_markdown_says_it_in_sentences():
    text = report_of(scored=True).to_markdown()
    for part in (
        "# Exported classification model\n\n1,234,567 parameters, 2 labels. Recipe `dynamic_wi8_afp32`: weights and",
        report_of(scored=True).table(),
        "Compared with Keras on 400 labelled rows. A file is kept if it decides like Keras on at least 97% of the",
        "Latency is the median CPU time of one text, one thread, on a CPU, 2 cores.",
        "## classification-x.tflite\n\nLiteRT, 1,500,000 bytes (5,000,000 with fp32 weights), SHA-256 `abab",
        "- operators: FULLY_CONNECTED 12, GELU 2",
        "## Versions\n\nkerastx 0.1.0, keras 3.15.0",
    ):
        assert part in text
    fp32 = report_of(scored=True, recipe="fp32").to_markdown()
    assert "Logits and probabilities may differ by at most 0.0001." in fp32
    assert "clear decision" not in fp32.split("##")[0]


def test_parity_in_lines():
    assert parity_lines(parity(scored=True)) == [
        "logits: at most 0.062 from Keras (for one text)",
        "probabilities: at most 0.25 from Keras (for two texts)",
        "decisions: 98.50% of 200 texts as Keras; 99.00% of the 150 where Keras prefers one by more than 0.05; "
        "probabilities move by 0.013 on average",
        "accuracy on 400 rows: 89.75%, Keras 90.00%, difference -0.25 points (95 % paired interval -1.25 to +0.75)",
    ]
    assert len(parity_lines(parity(scored=False))) == 3


def test_the_summary_is_aligned_and_ends_in_the_paths():
    table, note = report_of(scored=True).summary().split("\n\n")
    lines = table.splitlines()
    assert {len(line) for line in lines} == {len("share of its fp32 size  .tflite in LiteRT")}
    assert lines[1] == "size                              1.50 MB"
    assert lines[8] == "  its 95 % interval        -1.25 to +0.75"
    assert note == (
        "Compared with Keras on 400 labelled rows. Written in 12 s:\n  out/classification-x.tflite\n  out/report.md"
    )


def test_a_real_report_is_true_of_its_files(exported):
    report, folder = exported("post-norm", "dynamic_wi8_afp32")
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert content["parameters"] == report.parameters
    assert content["versions"] == environment.versions()
    assert {"kerastx", "python", "keras", "tensorflow", "onnx", "onnxruntime"} <= content["versions"].keys()
    assert [file["format"] for file in content["files"]] == ["tflite", "onnx"]
    for file in content["files"]:
        path = folder / file["file"]
        assert file["size_bytes"] == path.stat().st_size
        fp32 = exported("post-norm", "fp32")[1] / f"classification-fp32{path.suffix}"
        # The same file but for the name of the recipe, which is packed.
        assert abs(file["fp32_size_bytes"] - fp32.stat().st_size) < 64
        assert file["sha256"].encode() in path.read_bytes()[-64:]
        assert set(file["max_difference"]) == {"logits", "probabilities"}
        assert 1e-4 < file["max_difference"]["logits"] < 0.3
        assert all(0 < value < 1000 for value in file["latency_ms"].values())
        assert "48" in file["latency_ms"]
        assert f"## {file['file']}" in markdown
        assert file["sha256"] in markdown
    low, high = content["files"][0]["score"]["interval_95"]
    assert re.search(rf"95 % paired interval {100 * low:+.2f} to {100 * high:+.2f}".replace("+", r"\+"), markdown)
    assert report.files[0].operators == content["files"][0]["operators"]


def test_parameters_are_counted_right(small, exported):
    size, vocabulary, inner = 64, 300, 128
    embeddings = (vocabulary + 80 + 2) * size + 2 * size
    block = 4 * size * size + 4 * size + 2 * size * inner + inner + size + 4 * size
    head = size * size + size + size * 3 + 3
    assert small.model.count_params() == embeddings + block + head
    assert exported("post-norm", "fp32")[0].parameters == embeddings + 2 * block + head


def test_hardware_is_one_line_with_the_cores():
    assert re.fullmatch(r"[^\n]+, \d+ cores?, \w+ \w+", environment.hardware())


def test_hardware_without_cpuinfo(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert re.fullmatch(r"[^\n]+, \d+ cores?, \w+ \w+", environment.hardware())


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    def version(package):
        if package == "tf2onnx":
            raise environment.PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(environment, "version", version)
    found = environment.versions()
    assert "tf2onnx" not in found
    assert found["onnx"] == "1"


TEXT_COST = TextCost(
    budget=768,
    tokenize_ms=0.25,
    short_budget=96,
    short_tokenize_ms=0.06,
    short_ids_ms=0.24,
    short_text_ms=0.30,
    tables_bytes=870_000,
    peak_memory_bytes={"ids": 20_100_000, "tokenize": 3_000_000},
)


def report_with_text():
    report = report_of(scored=False)
    files = [dataclasses.replace(report.files[0], text=TEXT_COST), report.files[0]]
    return dataclasses.replace(report, files=files)


def test_the_rows_of_a_file_that_takes_text():
    lines = report_with_text().table().splitlines()
    assert lines[lines.index("| CPU ms at 128 tokens | 10.50 | 10.50 |") + 1 :] == [
        "| CPU ms to tokenize | 0.25 for 768 bytes |  |",
        "|   of the model's ms | 20.0% at 12, 2.4% at 128 |  |",
        "| CPU ms of 16 tokens | 0.24 |  |",
        "|   from text | 0.30, 1.25 times |  |",
        "| tables to tokenize | 0.87 MB |  |",
        "| peak memory of ids | 20.1 MB |  |",
        "| peak memory of tokenize | 3.0 MB |  |",
    ]
    assert "Peak memory is by how much a process grows" in report_with_text().to_markdown()


def test_a_file_of_ids_says_nothing_of_it():
    report = report_of(scored=False)
    assert "memory" not in report.to_markdown().lower()
    assert "text" not in report.to_dict()["files"][0]


def test_json_holds_what_text_costs():
    assert json.loads(report_with_text().to_json())["files"][0]["text"] == {
        "budget": 768,
        "tokenize_ms": 0.25,
        "share_of_latency": {"12": 0.2, "128": 0.0238},
        "short_text": {"budget": 96, "tokens": 16, "ids_ms": 0.24, "tokenize_ms": 0.06, "text_ms": 0.3, "ratio": 1.25},
        "tables_bytes": 870_000,
        "peak_memory_bytes": {"ids": 20_100_000, "tokenize": 3_000_000},
    }


def of_task(task: str, agreement, scores: list[Score], labels: tuple[str, ...] = ()) -> Report:
    report = report_of(scored=False)
    file = dataclasses.replace(report.files[0], parity=Parity(parity(scored=False).differences, agreement, scores))
    return dataclasses.replace(report, task=task, labels=labels, pair=True, files=[file])


def test_several_metrics_are_all_shown():
    scores = [
        Score(rows=400, keras=0.9, file=0.8975, interval=(-0.0125, 0.0075)),
        Score(rows=400, keras=0.8, file=0.81, interval=(-0.01, 0.03), metric="f1"),
    ]
    report = of_task("classification", parity(scored=False).agreement, scores, ("no", "yes"))
    (file,) = json.loads(report.to_json())["files"]
    assert [score["metric"] for score in file["scores"]] == ["accuracy", "f1"]
    assert file["score"] == file["scores"][0]
    assert file["scores"][1]["interval_95"] == [-0.01, 0.03]
    for text in (report.table(), report.summary()):
        assert text.index("accuracy of the file") < text.index("F1 of the second label of the file")
        assert text.count("difference in points") == 2
    markdown = report.to_markdown()
    assert "1,234,567 parameters, 2 labels, for pairs of texts. Recipe" in markdown
    assert (
        "- F1 of the second label on 400 rows: 81.00%, Keras 80.00%, difference +1.00 points (95 % paired" in markdown
    )


def test_scores_and_vectors_are_reported_in_their_words():
    score = Score(rows=400, keras=0.85, file=0.8475, interval=(-0.005, 0.001), metric="spearman")
    report = of_task("regression", Correlation(200, 0.999, 0.998, 0.03), [score])
    (file,) = json.loads(report.to_json())["files"]
    assert file["agreement"] == {"texts": 200, "spearman": 0.999, "pearson": 0.998, "mean_difference": 0.03}
    assert "| Spearman with Keras | 0.9990 on 200 |" in report.table()
    assert "| Spearman correlation of the file | 0.8475 |" in report.table()
    assert "at most 0.1 standard deviations from those of Keras" in report.to_markdown()
    report = of_task("embedding", Similarity(200, 0.9987, 0.95), [])
    assert "| cosine with Keras | 0.9987 on 200 |" in report.table()
    assert "vectors of 200 texts: cosine with Keras 0.9987 on average, 0.9500 at the lowest" in report.to_markdown()
    exact = dataclasses.replace(of_task("regression", Correlation(200, 1, 1, 0), []), recipe=RECIPES["fp32"])
    assert "Score may differ by at most 0.0001, of the largest score where that is above 1." in exact.to_markdown()
