"""Write the shared weights as models of CTranslate2: FOLDER SIZES.

Its own specifications are filled from NumPy, so that no converter stands between the weights and it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from classifier import read_weights
from ctranslate2.specs import Activation, TransformerDecoderModelSpec

QUANTIZATIONS = {"fp32": None, "int8": "int8"}


def language_model(weights: dict[str, np.ndarray], sizes: dict) -> TransformerDecoderModelSpec:
    """Return GPT-2 with our weights."""
    spec = TransformerDecoderModelSpec.from_config(
        sizes["num_layers"], sizes["num_heads"], pre_norm=True, activation=Activation.GELUTanh
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = weights["token_embedding/table"]
    decoder.projection.weight = weights["token_embedding/table"]
    decoder.position_encodings.encodings = weights["decoder_embeddings/positions"]
    _norm(weights, decoder.layer_norm, "decoder_norm")
    for index, layer in enumerate(decoder.layer):
        block = f"decoder_block_{index}"
        _norm(weights, layer.self_attention.layer_norm, f"{block}/attention_norm")
        _linear(weights, layer.self_attention.linear[0], f"{block}/attention/qkv")
        _linear(weights, layer.self_attention.linear[1], f"{block}/attention/output_projection")
        _norm(weights, layer.ffn.layer_norm, f"{block}/feed_forward_norm")
        _linear(weights, layer.ffn.linear_0, f"{block}/feed_forward/expansion")
        _linear(weights, layer.ffn.linear_1, f"{block}/feed_forward/contraction")
    spec.register_vocabulary([f"piece{number}" for number in range(sizes["vocabulary_size"])])
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = "piece0"
    return spec


def _norm(weights: dict[str, np.ndarray], target, source: str) -> None:
    target.gamma, target.beta = weights[f"{source}/gamma"], weights[f"{source}/beta"]


def _linear(weights: dict[str, np.ndarray], target, source: str) -> None:
    target.weight, target.bias = weights[f"{source}/kernel"].T, weights[f"{source}/bias"]


def main(folder: Path, sizes: dict) -> None:
    for name, quantization in QUANTIZATIONS.items():
        spec = language_model(read_weights(folder), sizes)
        spec.validate()
        spec.optimize(quantization=quantization)
        target = folder / f"ctranslate2-{name}"
        target.mkdir(exist_ok=True)
        spec.save(str(target))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
