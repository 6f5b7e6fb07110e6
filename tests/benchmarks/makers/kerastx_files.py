"""Write the shared weights, and our files of them by the export that users call: FOLDER SIZES."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import product_files
import tensorflow as tf
import tokenizers
from classifier import CHARACTERS, NUM_CLASSES, random_weights
from tokenizers import models, normalizers, pre_tokenizers

from kerastx.checkpoint.store import Checkpoint, build_model
from kerastx.checkpoint.weights import assign_weights
from kerastx.models.config import EncoderConfig
from kerastx.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from kerastx_export.export import export_checkpoint


def tokenizer(vocabulary_size: int) -> Tokenizer:
    """Return one that knows single characters, and names for the rest of its vocabulary."""
    pieces = [*SPECIAL_TOKENS, *CHARACTERS, *(f"##{character}" for character in CHARACTERS)]
    pieces += [f"piece{number}" for number in range(vocabulary_size - len(pieces))]
    backend = tokenizers.Tokenizer(
        models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return Tokenizer(backend)


def main(folder: Path, sizes: dict) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    weights = random_weights(sizes)
    np.savez(folder / "weights.npz", **weights)
    config = EncoderConfig(**sizes)
    labels = tuple(f"label{number}" for number in range(NUM_CLASSES))
    model = build_model("classification", config, labels)
    assign_weights(model.weights, weights, source="the shared weights")
    checkpoint = Checkpoint(
        model=model,
        tokenizer=tokenizer(config.vocabulary_size),
        config=config,
        task="classification",
        labels=labels,
    )
    export_checkpoint(checkpoint, folder / "ours", force=True)
    export_checkpoint(checkpoint, folder / "ours", recipe="fp32", force=True)
    for int8, number_format in ((False, "fp32"), (True, "int8")):
        product_files.onnx_product(folder / f"product-{number_format}.onnx", int8=int8)
        product_files.litert_product(folder / f"product-{number_format}.tflite", int8=int8)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
