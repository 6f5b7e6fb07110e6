"""[A] A pretraining step: forward, backward and update, beside transformers and keras-nlp."""

from __future__ import annotations

import numpy as np
from classifier import read_weights
from contest import OURS, Bar, Contestant, Row
from pretrainer import LENGTH, PREDICTIONS, SIZES, product_operations, random_weights, reference

CASE = "step"
ABOUT = """\
One step of masked-LM and next-sentence pretraining: BERT-mini (4 layers × 256), batch 32 × 128, 20 masked positions a
row, vocabulary 30,522, dropout 0.1, forward, backward, clipped AdamW update. Everybody starts from the same weights;
before the timing both losses and the next-sentence logits of four rows, without dropout, are compared with NumPy in 64
bits."""
NOTES = (
    "transformers projects all 128 positions onto the vocabulary, kerastx and keras-nlp the 20 masked ones; kerastx's "
    "last block answers for these and the first alone. The losses are the same. `products` counts what each computes.",
    "The floating point operations are those of the matrix products of the forward pass, times three.",
)
BARS = (
    Bar("ours-bf16", "transformers-bf16", CASE, 4.0),
    Bar("ours-bf16", "transformers-fp32", CASE, 4.0),
    Bar("ours-fp32", "keras-nlp-fp32", CASE, 1.2),
    Bar("ours-bf16", "keras-nlp-bf16", CASE, 1.2),
)
# Losses of about 11 and 0.7, logits of about 1.
FP32 = {"tolerance": 2e-4}
BF16 = {"tolerance": 0.2, "min_cosine": 0.999, "arithmetic": "bf16"}
OURS_ALONE = {CASE: product_operations(SIZES, queries=1 + PREDICTIONS)}
EVERY_POSITION = {CASE: product_operations(SIZES, projected=LENGTH)}
PRECISIONS = {"fp32": ("float32", FP32), "bf16": ("bfloat16", BF16)}


def row(context) -> Row:
    """Return the row."""
    folder = context.folder / "pretraining"

    def prepare() -> dict[str, str]:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "weights.npz", **random_weights(SIZES))
        return {}

    def references():
        weights = read_weights(folder)
        return {gelu: {CASE: reference(weights, SIZES, gelu=gelu)} for gelu in ("exact", "tanh")}

    return Row(
        name="pretraining",
        title="Pretraining step",
        about=ABOUT,
        unit="step",
        cases={CASE: "a step"},
        operations={CASE: product_operations(SIZES)},
        contestants=tuple(_contestants(folder)),
        bars=BARS,
        references=references,
        prepare=prepare,
        notes=NOTES,
        seconds_per_turn=2.0,
    )


def _contestants(folder):
    libraries = (
        ("ours", "kerastx", "kerastx_pretraining.py", {"environment": OURS, "operations": OURS_ALONE}),
        ("keras-nlp", "keras-nlp", "keras_nlp_pretraining.py", {"reference": "tanh"}),
        ("transformers", "transformers", "torch_pretraining.py", {"operations": EVERY_POSITION}),
    )
    for short, (precision, choices) in PRECISIONS.items():
        for name, label, script, more in libraries:
            yield Contestant(
                name=f"{name}-{short}",
                label=f"{label} {short}",
                script=f"contestants/{script}",
                options={"folder": str(folder), "sizes": SIZES, "precision": precision},
                **{**choices, **more},
            )
