"""Our language model, written with as `Checkpoint.generate` does it: a greedy text is one call of one graph."""

from __future__ import annotations

import numpy as np
import protocol
import tensorflow as tf
import writer
from classifier import read_weights

from kerastx.checkpoint.weights import assign_weights
from kerastx.models.decoder_config import LanguageModelConfig
from kerastx.models.language_model import LanguageModel
from kerastx.models.steps import Steps
from kerastx.runtime.decoding import Beginning
from kerastx.runtime.step_decoder import StepDecoder, left_padded


class KerastxGeneration:
    """Options: folder, sizes, by_steps (each token chosen in Python, as settings other than greedy ask for)."""

    def __init__(self, options: dict):
        self.sizes = options["sizes"]
        self.by_steps = options["by_steps"]
        model = LanguageModel(LanguageModelConfig.preset("gpt2-small", **self.sizes))
        assign_weights(model.weights, read_weights(options["folder"]), source="the shared weights")
        self.steps = Steps(model)
        how = "a call of the graph for each token" if self.by_steps else "one graph for the whole text"
        self.facts = {"versions": protocol.versions("kerastx", "keras", "tensorflow"), "settings": how}
        left, right = (tf.constant(array) for array in writer.factors())
        product = tf.function(tf.matmul)
        self.matmuls = {"fp32": (lambda: product(left, right), writer.FACTOR_OPERATIONS)}

    def _write(self, prompt: np.ndarray) -> list[int]:
        if self.by_steps:
            return self._write_by_steps(prompt)
        room = np.array([writer.NEW_TOKENS])
        ((tokens, _),) = self.steps.greedy(*left_padded([prompt.tolist()]), source={}, room=room)
        return tokens

    def _write_by_steps(self, prompt: np.ndarray) -> list[int]:
        beginning = Beginning(token_ids=tuple(prompt.tolist()), max_new_tokens=writer.NEW_TOKENS)
        decoder, only = StepDecoder(self.steps, [beginning]), np.zeros(1, np.int32)
        tokens = [int(decoder.begin().argmax())]
        while len(tokens) < writer.NEW_TOKENS:
            tokens.append(int(decoder.go_on(np.array(tokens[-1:], np.int32), only).argmax()))
        return tokens

    def answer(self, case: str) -> list:
        return [self._write(prompt) for prompt in writer.prompts(self.sizes)]

    def call(self, case: str):
        prompt = writer.prompts(self.sizes)[0]
        return lambda: self._write(prompt)


if __name__ == "__main__":
    protocol.main(KerastxGeneration)
