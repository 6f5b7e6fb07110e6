"""Our pretraining step, compiled as `kerastx pretrain` does it."""

from __future__ import annotations

import keras
import numpy as np
import protocol
from classifier import read_weights
from keras_step import KerasStep
from pretrainer import DROPOUT_RATE, LEARNING_RATE

from kerastx.checkpoint.weights import assign_weights
from kerastx.models.config import EncoderConfig
from kerastx.models.pretraining import build_pretrainer
from kerastx.training.losses import pretraining_losses
from kerastx.training.metrics import pretraining_metrics
from kerastx.training.optimizers import adamw
from kerastx.training.precision import precision


class KerastxPretraining(KerasStep):
    """Options: folder, sizes, precision."""

    def __init__(self, options: dict):
        keras.utils.set_random_seed(1)
        self.sizes = options["sizes"]
        with precision(options["precision"]):
            self.model = build_pretrainer(EncoderConfig(**self.sizes, dropout_rate=DROPOUT_RATE))
        assign_weights(self.model.weights, read_weights(options["folder"]), source="the shared weights")
        self.model.compile(
            adamw(LEARNING_RATE, 1_000_000),
            loss=pretraining_losses(),
            weighted_metrics=pretraining_metrics(),
            jit_compile=False,
        )
        self.facts = {
            "versions": protocol.versions("kerastx", "keras", "tensorflow"),
            "settings": "as `kerastx pretrain`: AdamW, clipped global norm, accuracy and perplexity counted",
        }

    def elements(self, rows: dict) -> tuple:
        names = ("token_ids", "segment_ids", "padding_mask", "masked_positions")
        targets = {"masked_lm": rows["masked_labels"], "next_sentence": rows["nsp_labels"]}
        weights = {name: np.ones(target.shape, np.float32) for name, target in targets.items()}
        return {name: rows[name] for name in names}, targets, weights

    def outputs(self, inputs: dict) -> tuple:
        found = self.model(inputs, training=False)
        return np.asarray(found["masked_lm"]), np.asarray(found["next_sentence"])


if __name__ == "__main__":
    protocol.main(KerastxPretraining)
