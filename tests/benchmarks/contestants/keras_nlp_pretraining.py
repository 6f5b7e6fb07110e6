"""keras-nlp's BertBackbone and MaskedLMHead, with a next-sentence head beside them, compiled by Keras."""

from __future__ import annotations

import keras
import keras_nlp
import numpy as np
import protocol
from classifier import read_weights
from keras_nlp_weights import backbone_arrays
from keras_step import KerasStep
from pretrainer import CLIP_NORM, DROPOUT_RATE, LEARNING_RATE

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


class KerasNlpPretraining(KerasStep):
    """Options: folder, sizes, precision."""

    def __init__(self, options: dict):
        keras.utils.set_random_seed(1)
        self.sizes = options["sizes"]
        keras.config.set_dtype_policy(POLICIES[options["precision"]])
        self.model = pretrainer_of(self.sizes)
        arrays = pretrainer_arrays(read_weights(options["folder"]), self.sizes)
        for variable in self.model.weights:
            variable.assign(arrays.pop(variable.path))
        if arrays:
            raise ValueError(f"weights not carried over: {sorted(arrays)}")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(
            keras.optimizers.AdamW(LEARNING_RATE, weight_decay=0.01, global_clipnorm=CLIP_NORM),
            loss={"masked_lm": loss, "next_sentence": loss},
            jit_compile=False,
        )
        self.facts = {
            "versions": protocol.versions("keras", "keras-nlp", "tensorflow"),
            "settings": "Keras' AdamW, clipped global norm, no metrics; gelu is the tanh approximation; the head's "
            "`autocast` turned on, without which it fails in bfloat16",
        }

    def elements(self, rows: dict) -> tuple:
        inputs = {
            "token_ids": rows["token_ids"],
            "segment_ids": rows["segment_ids"],
            "padding_mask": rows["padding_mask"].astype(np.int32),
            "mask_positions": rows["masked_positions"],
        }
        return inputs, {"masked_lm": rows["masked_labels"], "next_sentence": rows["nsp_labels"]}

    def outputs(self, inputs: dict) -> tuple:
        found = self.model(inputs, training=False)
        return np.asarray(found["masked_lm"]), np.asarray(found["next_sentence"])


def pretrainer_of(sizes: dict) -> keras.Model:
    """Return the model with the outputs masked_lm (B, P, V) and next_sentence (B, 2), float32."""
    backbone = keras_nlp.models.BertBackbone(
        vocabulary_size=sizes["vocabulary_size"],
        num_layers=sizes["num_layers"],
        num_heads=sizes["num_heads"],
        hidden_dim=sizes["hidden_dim"],
        intermediate_dim=sizes["intermediate_dim"],
        max_sequence_length=sizes["max_sequence_length"],
        num_segments=sizes["num_segments"],
        dropout=DROPOUT_RATE,
    )
    positions = keras.Input((None,), dtype="int32", name="mask_positions")
    outputs = backbone(backbone.input)
    head = keras_nlp.layers.MaskedLMHead(
        token_embedding=backbone.token_embedding,
        intermediate_activation=lambda x: keras.activations.gelu(x, approximate=True),
        layer_norm_epsilon=sizes["epsilon"],
        name="masked_lm_head",
    )
    # keras-nlp 0.32 adds a float32 bias to bfloat16 logits, which fails, because the head turns this off.
    head.autocast = True
    masked_lm = head(outputs["sequence_output"], mask_positions=positions)
    next_sentence = keras.layers.Dense(2, name="next_sentence_head")(outputs["pooled_output"])
    exact = {"activation": "linear", "dtype": "float32"}
    return keras.Model(
        {**backbone.input, "mask_positions": positions},
        {
            "masked_lm": keras.layers.Activation(name="masked_lm", **exact)(masked_lm),
            "next_sentence": keras.layers.Activation(name="next_sentence", **exact)(next_sentence),
        },
    )


def pretrainer_arrays(weights: dict[str, np.ndarray], sizes: dict) -> dict[str, np.ndarray]:
    """Return the weights in keras-nlp's names."""
    arrays = backbone_arrays(weights, sizes)
    for target, source in (
        ("masked_lm_head/intermediate_dense", "masked_lm_head/transform"),
        ("next_sentence_head", "next_sentence_head"),
    ):
        for name in ("kernel", "bias"):
            arrays[f"{target}/{name}"] = weights[f"{source}/{name}"]
    for name in ("gamma", "beta"):
        arrays[f"masked_lm_head/intermediate_layer_norm/{name}"] = weights[f"masked_lm_head/norm/{name}"]
    arrays["masked_lm_head/output_bias"] = weights["masked_lm_head/bias"]
    return arrays


if __name__ == "__main__":
    protocol.main(KerasNlpPretraining)
