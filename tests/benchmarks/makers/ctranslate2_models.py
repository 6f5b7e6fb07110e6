"""Write the shared weights of models that write as models of CTranslate2: FOLDER OPTIONS.

Its own specifications are filled from NumPy, so that no converter stands between the weights and it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import writer
from classifier import read_weights
from ctranslate2.specs import Activation, TransformerDecoderModelSpec, TransformerSpec

QUANTIZATIONS = {"fp32": None, "int8": "int8"}
Weights = dict[str, np.ndarray]


def language_model(weights: Weights, sizes: dict) -> TransformerDecoderModelSpec:
    """Return GPT-2 with our weights."""
    spec = TransformerDecoderModelSpec.from_config(
        sizes["num_layers"], sizes["num_heads"], pre_norm=True, activation=Activation.GELUTanh
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = decoder.projection.weight = weights["token_embedding/table"]
    decoder.position_encodings.encodings = weights["decoder_embeddings/positions"]
    _norm(weights, decoder.layer_norm, "decoder_norm")
    for index, layer in enumerate(decoder.layer):
        _block(weights, layer, f"decoder_block_{index}")
    spec.register_vocabulary(_vocabulary(sizes))
    return spec


def seq2seq(weights: Weights, sizes: dict) -> TransformerSpec:
    """Return the Transformer with our weights."""
    spec = TransformerSpec.from_config(
        sizes["num_layers"], sizes["num_heads"], pre_norm=False, activation=Activation.RELU
    )
    for side, stack in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        embeddings = stack.embeddings[0] if side == "encoder" else stack.embeddings
        embeddings.weight = weights["token_embedding/table"]
        stack.scale_embeddings = True
        stack.position_encodings.encodings = weights["positions"]
        for index, layer in enumerate(stack.layer):
            _block(weights, layer, f"{side}_block_{index}")
    for index, layer in enumerate(spec.decoder.layer):
        block = f"decoder_block_{index}/cross_attention"
        _norm(weights, layer.attention.layer_norm, f"{block}_norm")
        for target, name in zip(layer.attention.linear, ("query", "key_value", "output_projection"), strict=True):
            _linear(weights, target, f"{block}/{name}")
    spec.decoder.projection.weight = weights["token_embedding/table"]
    spec.register_source_vocabulary(_vocabulary(sizes))
    spec.register_target_vocabulary(_vocabulary(sizes))
    spec.config.decoder_start_token = writer.piece(0)
    return spec


def _block(weights: Weights, layer, block: str) -> None:
    _norm(weights, layer.self_attention.layer_norm, f"{block}/attention_norm")
    _linear(weights, layer.self_attention.linear[0], f"{block}/attention/qkv")
    _linear(weights, layer.self_attention.linear[1], f"{block}/attention/output_projection")
    _norm(weights, layer.ffn.layer_norm, f"{block}/feed_forward_norm")
    _linear(weights, layer.ffn.linear_0, f"{block}/feed_forward/expansion")
    _linear(weights, layer.ffn.linear_1, f"{block}/feed_forward/contraction")


def _norm(weights: Weights, target, source: str) -> None:
    target.gamma, target.beta = weights[f"{source}/gamma"], weights[f"{source}/beta"]


def _linear(weights: Weights, target, source: str) -> None:
    target.weight, target.bias = weights[f"{source}/kernel"].T, weights[f"{source}/bias"]


def _vocabulary(sizes: dict) -> list[str]:
    return [writer.piece(number) for number in range(sizes["vocabulary_size"])]


def main(folder: Path, task: str, sizes: dict) -> None:
    for name, quantization in QUANTIZATIONS.items():
        spec = {"language_model": language_model, "seq2seq": seq2seq}[task](read_weights(folder), sizes)
        # A text is to have all its tokens, so its end is one that is never met: it is the last of all.
        last = writer.piece(sizes["vocabulary_size"] - 1)
        spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = last
        spec.config.layer_norm_epsilon = sizes["epsilon"]
        spec.validate()
        spec.optimize(quantization=quantization)
        target = folder / f"ctranslate2-{name}"
        target.mkdir(exist_ok=True)
        spec.save(str(target))


if __name__ == "__main__":
    main(Path(sys.argv[1]), **json.loads(sys.argv[2]))
