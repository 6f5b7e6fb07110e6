"""What a tokenizer in a file costs, measured on files."""

from __future__ import annotations

import pytest
from small_classifier import small_classifier

from kerastx_export.export import export_checkpoint
from kerastx_export.text_input import text_input


@pytest.mark.parametrize(("kind", "size", "short"), [("tflite", None, 96), ("tflite", 120, None), ("onnx", None, 96)])
def test_what_is_measured_on_a_file(tmp_path, kind, size, short):
    checkpoint = small_classifier()
    (file,) = export_checkpoint(checkpoint, tmp_path, formats=(kind,), inputs="both", text_bytes=size).files
    cost = file.text
    assert (cost.budget, cost.short_budget) == (size or 512, short or size)
    assert 0 < cost.tokenize_ms < 50
    assert 0 < cost.short_ids_ms < 50
    assert cost.short_tokenize_ms > 0
    assert cost.short_ratio > 0
    assert cost.tables_bytes == text_input(checkpoint).size_bytes
    signatures = ["ids", "tokenize", "tokenize_short", "text"] if short else ["ids", "tokenize", "text"]
    assert list(cost.peak_memory_bytes) == (signatures if kind == "tflite" else ["text"])
    assert all(2**18 < size < 2**28 for size in cost.peak_memory_bytes.values())
