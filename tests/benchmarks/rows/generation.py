"""[C] A greedy text: prompt and new tokens with a cache, beside transformers' `generate`."""

from __future__ import annotations

import numpy as np
from classifier import read_weights
from contest import OURS, Bar, Contestant, Row
from writer import NEW_TOKENS, PROMPT, SIZES, product_operations, prompts, random_weights, reference

CASE = "text"
ABOUT = f"""\
{NEW_TOKENS} tokens behind a prompt of {PROMPT}, batch 1, greedy, float32, by a language model of 6 layers × 512 (8
heads, feed-forward 2048, vocabulary 32,000; GPT-2's equations). Everybody has the same random weights; before the
timing the tokens written for two prompts are compared with those of NumPy in 64 bits, and must be the same."""
NOTES = (
    "Ours are what `Checkpoint.generate` runs: one graph for a greedy text; a call for each token where settings ask "
    "for a choice in Python (temperature, stop strings, streaming). Tokenizing is left out on both sides.",
    "A product here is that of one token's states with the output table, which memory limits, not arithmetic.",
)
BARS = (Bar("ours-graph", "transformers", CASE, 1.5), Bar("ours-steps", "transformers", CASE, 1.5))


def row(context) -> Row:
    """Return the row."""
    folder = context.folder / "generation"

    def prepare() -> dict[str, str]:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "weights.npz", **random_weights(SIZES))
        return {}

    def references():
        weights = read_weights(folder)
        return {"exact": {CASE: [reference(weights, SIZES, prompt, NEW_TOKENS) for prompt in prompts(SIZES)]}}

    return Row(
        name="generation",
        title="A greedy text",
        about=ABOUT,
        unit="text",
        cases={CASE: f"{NEW_TOKENS} tokens"},
        operations={CASE: product_operations(SIZES)},
        contestants=tuple(_contestants(folder)),
        bars=BARS,
        references=references,
        prepare=prepare,
        notes=NOTES,
        seconds_per_turn=2.0,
    )


def _contestants(folder):
    of = {"folder": str(folder), "sizes": SIZES}
    for name, label, by_steps in (
        ("ours-graph", "kerastx, one graph", False),
        ("ours-steps", "kerastx, token by token", True),
    ):
        yield Contestant(
            name=name,
            label=label,
            script="contestants/kerastx_generation.py",
            environment=OURS,
            options={**of, "by_steps": by_steps},
            tolerance=0.0,
        )
    yield Contestant(
        name="transformers",
        label="transformers `generate`",
        script="contestants/torch_generation.py",
        options=of,
        tolerance=0.0,
    )
