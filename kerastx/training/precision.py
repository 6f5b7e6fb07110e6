"""Which numbers to multiply while training: bfloat16 where the CPU has instructions for it, else float32.

Weights, optimizer, norms, softmax and losses stay float32 either way; products, biases and what flows between them
are bfloat16 (Keras' mixed_bfloat16 policy). What a run writes is float32.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from pathlib import Path

import keras

PRECISIONS = ("auto", "float32", "bfloat16")
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
# Of /proc/cpuinfo. Without one of these a bfloat16 product is converted to float32 and back: slower, not faster.
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
CPU_INFO = Path("/proc/cpuinfo")


def resolve_precision(wanted: str) -> str:
    """Return "float32" or "bfloat16" for "auto" or either of them."""
    if wanted not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {wanted!r}.")
    if wanted != "auto":
        return wanted
    return "bfloat16" if BFLOAT16_FLAGS & cpu_flags() else "float32"


def cpu_flags() -> frozenset[str]:
    """Return the instruction set flags of an x86 CPU under Linux; none elsewhere."""
    if platform.machine() not in ("x86_64", "AMD64") or not CPU_INFO.exists():
        return frozenset()
    lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").partition(":")[2].split())


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Build the models inside of the block for "float32" or "bfloat16"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[name])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
