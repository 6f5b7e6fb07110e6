"""The same weights in CTranslate2, in its own file."""

from __future__ import annotations

import os

import ctranslate2
import numpy as np
import protocol
import translator
import writer


class Ctranslate2Writer:
    """Options: path, folder, sizes, task, answers; see `KerastxWriter`."""

    def __init__(self, options: dict):
        self.options = options
        self.is_translator = options["task"] == "seq2seq"
        kind = ctranslate2.Translator if self.is_translator else ctranslate2.Generator
        number_format = "int8" if options["path"].endswith("int8") else "float32"
        self.model = kind(options["path"], device="cpu", compute_type=number_format, inter_threads=1, intra_threads=1)
        self.facts = {
            "size_bytes": os.path.getsize(os.path.join(options["path"], "model.bin")),
            "versions": protocol.versions("ctranslate2"),
            "settings": f'`compute_type="{number_format}"`, one thread; {_backend()}',
        }
        self.matmuls: dict = {}

    def _write(self, tokens: np.ndarray, case: str) -> list[int]:
        row, beams = [writer.piece(token) for token in tokens], writer.BEAMS if case == "beams" else 1
        if self.is_translator:
            (found,) = self.model.translate_batch(
                [row],
                beam_size=beams,
                max_decoding_length=translator.NEW_TOKENS,
                min_decoding_length=translator.NEW_TOKENS,
                disable_unk=False,
            )
            return [int(piece.removeprefix("piece")) for piece in found.hypotheses[0]]
        (found,) = self.model.generate_batch(
            [row],
            beam_size=beams,
            max_length=writer.NEW_TOKENS,
            min_length=writer.NEW_TOKENS,
            include_prompt_in_result=False,
        )
        return found.sequences_ids[0]

    def answer(self, case: str) -> list:
        if self.is_translator:
            source = translator.source(self.options["sizes"])
            return self._write(source, case) if self.options["answers"] == "tokens" else self._log_probabilities(source)
        if self.options["answers"] == "tokens":
            return [self._write(prompt, case) for prompt in writer.prompts(self.options["sizes"])]
        rows = writer.beginnings(self.options["sizes"])
        return writer.some(np.stack([self._logits(row) for row in rows]))

    def _log_probabilities(self, source: np.ndarray) -> list[float]:
        """Return those of what Keras writes for a source."""
        target = translator.read(self.options["folder"])["greedy"]
        rows = ([writer.piece(token) for token in tokens] for tokens in (source, target))
        (found,) = self.model.score_batch(*([row] for row in rows))
        return found.log_probs[: len(target)]  # behind them stands that of the end

    def _logits(self, tokens: np.ndarray) -> np.ndarray:
        found = self.model.forward_batch([[writer.piece(token) for token in tokens]])
        return np.array(found)[0, -1]

    def call(self, case: str):
        sizes = self.options["sizes"]
        tokens = translator.source(sizes) if self.is_translator else writer.prompts(sizes)[0]
        return lambda: self._write(tokens, case)


def _backend() -> str:
    """Return who chose the instruction set; CT2_VERBOSE=1 tells which it is."""
    isa = os.environ.get("CT2_FORCE_CPU_ISA")
    return f"CT2_FORCE_CPU_ISA={isa}" if isa else "the instruction set that it chooses"


if __name__ == "__main__":
    protocol.main(Ctranslate2Writer)
