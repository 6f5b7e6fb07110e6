"""The tokenizers inside of a file, opened in its own runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from kerastx_export.onnx_joining import tokenizer_in
from kerastx_export.onnx_tokenizer import TOKENS
from kerastx_export.text_input import TextInput
from kerastx_export.tflite_grafting import TOKENIZE, TOKENIZE_SHORT

# Texts by name, uint8 (1, N) -> token_ids, segment_ids, begins, ends, lengths, ...
Tokenize = Callable[..., dict[str, np.ndarray]]


def file_tokenizers(path: Path, text: TextInput) -> dict[int, Tokenize]:
    """Return bytes of a text -> what tokenizes it, the largest first; of an .onnx the same for every size."""
    keys = {text.budget: TOKENIZE} | ({text.short_budget: TOKENIZE_SHORT} if text.short_budget else {})
    if path.suffix == ".onnx":
        return dict.fromkeys(keys, _onnx_tokenizer(path))
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    return {budget: interpreter.get_signature_runner(key) for budget, key in keys.items()}


def _onnx_tokenizer(path: Path) -> Tokenize:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    content = tokenizer_in(onnx.load(path)).SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def tokenize(**texts: np.ndarray) -> dict[str, np.ndarray]:
        found = dict(zip(TOKENS, session.run(None, texts), strict=True))
        return {**found, "lengths": found["padding_mask"].sum(axis=1, keepdims=True)}

    return tokenize
