"""What a tokenizer in a file costs, measured on files."""

from __future__ import annotations

import pytest
from small_classifier import small_classifier

from kerastx_export.text_input import text_input


@pytest.mark.parametrize(("kind", "size", "short"), [("tflite", None, 96), ("tflite", 150, None), ("onnx", None, 96)])
def test_what_is_measured_on_a_file(text_export, few_bytes, kind, size, short):
    report = few_bytes[0] if size else text_export("wordpiece")[1]
    file = next(file for file in report.files if file.engine_format == kind)
    cost = file.text
    assert (cost.budget, cost.short_budget) == (size or 512, short or size)
    assert 0 < cost.tokenize_ms < 50
    assert 0 < cost.short_ids_ms < 50
    assert cost.short_tokenize_ms > 0
    assert cost.short_ratio > 0
    assert cost.tables_bytes == text_input(small_classifier()).size_bytes
    signatures = ["ids", "tokenize", "tokenize_short", "text"] if short else ["ids", "tokenize", "text"]
    assert list(cost.peak_memory_bytes) == (signatures if kind == "tflite" else ["text"])
    assert all(2**18 < size < 2**28 for size in cost.peak_memory_bytes.values())
