"""The names of the tensors of a file that writes."""

from __future__ import annotations

# What a .tflite has: a step, what is computed once for sources, a cache in another order of its rows, and where it was
# asked for, a whole greedy text.
STEP, ENCODE, REORDER, LOOP = "step", "encode", "reorder", "generate"
ROWS = "rows"  # int32 (R,), of a cache
# The tokens of a step and their positions, int32 (B, T).
STEP_TOKENS = ("token_ids", "positions")
# Of what is computed once for a source.
SOURCE_IDS, SOURCE_MASK = "source_token_ids", "source_padding_mask"
ENCODE_INPUTS = {SOURCE_IDS: "int32", SOURCE_MASK: "bool"}

# What an .onnx cuts into tokens, uint8 (B, budget): UTF-8 with zeros behind.
TEXT = "text"


def cache_names(num_blocks: int) -> list[str]:
    """Return the names of a cache: int32 (B, S), then keys and values of each block, float32 (B, N_kv, S, H)."""
    blocks = range(num_blocks)
    return ["cached_positions", *(f"{kind}_{block}" for block in blocks for kind in ("key", "value"))]


def source_names(num_blocks: int) -> list[str]:
    """Return the names of what a step takes of a source: keys and values of each block, float32 (B, N_kv, R, H)."""
    return [f"source_{kind}_{block}" for block in range(num_blocks) for kind in ("key", "value")]


def new(name: str) -> str:
    """Return the name under which a step answers what it was given as `name`, with the new tokens."""
    return f"new_{name}"


def read(name: str) -> str:
    """Return the name under which the step of an .onnx answers what its tokenizer calls `name`."""
    return f"read_{name}"
