from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import kerastx


@pytest.fixture(scope="module")
def run():
    spec = importlib.util.spec_from_file_location("benchmarks_run", Path(__file__).with_name("run.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def busy(ms: float):
    def call():
        end = time.process_time() + ms / 1000
        while time.process_time() < end:
            pass

    return call


def test_turns_tell_a_slow_call_from_a_fast_one(run, monkeypatch):
    monkeypatch.setattr(run, "SECONDS_PER_TURN", 0.004)
    figures = run.take_turns({"fast": busy(0.5), "slow": busy(2.0)}, rounds=4)
    assert [len(values) for values in figures.values()] == [4, 4]
    ratio = run.summary(figures["slow"])["median"] / run.summary(figures["fast"])["median"]
    assert ratio == pytest.approx(4, rel=0.3)


def test_the_order_alternates(run, monkeypatch):
    monkeypatch.setattr(run, "SECONDS_PER_TURN", 0.0)
    order = []
    run.take_turns({name: lambda name=name: order.append(name) for name in "ab"}, rounds=2)
    assert "".join(order[12:]) == "aaabbbbbbaaa"


def test_the_table_compares_with_the_first_file_of_each_length(run):
    def row(file, length, ms):
        return {"file": file, "length": length, "size_bytes": 2_000_000, "latency_ms": run.summary([ms] * 3)}

    lines = run.table([row("m.onnx", 16, 1.0), row("m.tflite", 16, 0.5), row("m.onnx", 64, 4.0)]).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["1.00x", "0.50x", "1.00x"]


def test_an_empty_folder_is_an_error_of_one_line(run, tmp_path, capsys):
    assert run.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path} holds no .tflite or .onnx file; run `make export`\n"


def test_a_file_that_is_not_ours_is_an_error_of_one_line(run, tmp_path, capsys):
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    assert run.main([str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_figures_are_written_for_every_file_and_length(run, monkeypatch, tmp_path, capsys):
    seen = []

    def load(path, *, threads):
        assert threads == 1
        tokenizer = SimpleNamespace(special_ids=(0, 1, 2, 3, 4), vocabulary_size=50, cls_id=2, sep_id=3)
        engine = SimpleNamespace(run=lambda inputs: seen.append((path.name, inputs)))
        return SimpleNamespace(tokenizer=tokenizer, engine=engine, manifest=SimpleNamespace(max_length=32))

    monkeypatch.setattr(kerastx, "load", load)
    monkeypatch.setattr(run, "SECONDS_PER_TURN", 0.0)
    for name in ("m.tflite", "m.onnx"):
        (tmp_path / name).write_bytes(bytes(1000))
    output = tmp_path / "build" / "bench.json"
    assert run.main([str(tmp_path), "--rounds", "3", "--output", str(output)]) == 0
    rows = json.loads(output.read_text())["rows"]
    expected = [("m.onnx", 16), ("m.tflite", 16), ("m.onnx", 32), ("m.tflite", 32)]  # 64 and 128 exceed max_length
    assert [(row["file"], row["length"]) for row in rows] == expected
    assert {row["size_bytes"] for row in rows} == {1000}
    for _, inputs in seen:
        assert {name: value.dtype for name, value in inputs.items()} == {
            "token_ids": np.int32,
            "segment_ids": np.int32,
            "padding_mask": bool,
        }
        assert inputs["token_ids"][0, 0] == 2
        assert inputs["token_ids"][0, -1] == 3
        assert inputs["token_ids"][0, 1:-1].min() >= 5
    assert "against the first" in capsys.readouterr().out
