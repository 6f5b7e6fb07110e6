"""An exported file of ours that writes, run as `Writer.generate` does: tokens go in and come out, not their text."""

from __future__ import annotations

import os

import numpy as np
import protocol
import translator
import writer

import kerastx
from kerastx.runtime.decoding import Beginning, GeneratedText, Language
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.step_decoder import StepDecoder
from kerastx.runtime.text_probabilities import Batch, of_tokens, step_logits
from kerastx.runtime.writing import write


class KerastxWriter:
    """Options: path, folder, sizes, task ("language_model" or "seq2seq"), answers ("tokens" or "logits")."""

    def __init__(self, options: dict):
        path = options["path"]
        self.options = options
        self.steps = kerastx.load(path, threads=1).steps
        self.facts = {
            "size_bytes": os.path.getsize(path),
            "versions": protocol.versions("kerastx", "ai-edge-litert" if path.endswith(".tflite") else "onnxruntime"),
            "settings": "`kerastx.load(path, threads=1)`; the file holds tokenizer and manifest as well",
        }
        self.matmuls: dict = {}

    def _write(self, tokens: np.ndarray, case: str) -> list[int]:
        of = writer if self.options["task"] == "language_model" else translator
        sources = None
        if of is translator:
            sources = {"token_ids": tokens[None], "padding_mask": np.ones((1, len(tokens)), bool)}
            tokens = np.zeros(1, np.int32)
        beginning = Beginning(token_ids=tuple(tokens.tolist()), max_new_tokens=of.NEW_TOKENS)
        settings = GenerationSettings(num_beams=writer.BEAMS if case == "beams" else 1)
        decoder = StepDecoder(self.steps, [beginning], sources)
        for _, what in write(decoder, [beginning], Language(decode=str, end_ids=()), settings, in_pieces=False):
            if isinstance(what, GeneratedText):
                return list(what.token_ids)
        raise AssertionError("nothing was written")

    def answer(self, case: str) -> list:
        if self.options["task"] == "seq2seq":
            source = translator.source(self.options["sizes"])
            return self._write(source, case) if self.options["answers"] == "tokens" else self._log_probabilities(source)
        if self.options["answers"] == "tokens":
            return [self._write(prompt, case) for prompt in writer.prompts(self.options["sizes"])]
        return writer.some(np.stack([self._logits(row) for row in writer.beginnings(self.options["sizes"])]))

    def _log_probabilities(self, source: np.ndarray) -> list[float]:
        """Return those of what Keras writes for a source."""
        target = translator.read(self.options["folder"])["greedy"]
        sources = {"token_ids": source[None], "padding_mask": np.ones((1, len(source)), bool)}
        tokens = np.array([0, *target[:-1]], np.int32)[None]
        logits = np.concatenate(list(step_logits(self.steps, Batch(tokens, np.ones(tokens.shape, bool), sources))))
        return of_tokens(logits, np.array(target)).tolist()

    def _logits(self, tokens: np.ndarray) -> np.ndarray:
        return StepDecoder(self.steps, [Beginning(token_ids=tuple(tokens.tolist()), max_new_tokens=1)]).begin()[0]

    def call(self, case: str):
        sizes = self.options["sizes"]
        of = writer.prompts(sizes)[0] if self.options["task"] == "language_model" else translator.source(sizes)
        return lambda: self._write(of, case)


if __name__ == "__main__":
    protocol.main(KerastxWriter)
