"""What a file was made with, and what it was measured on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "keras",
    "tensorflow",
    "tf2onnx",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "ai-edge-litert",
    "tokenizers",
    "numpy",
)
# CPU features that decide how fast 8-bit products are.
_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


def versions() -> dict[str, str]:
    """Return package -> version of everything that a file depends on."""
    from kerastx import __version__

    found = {"kerastx": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> str:
    """Return one line: processor, its cores and 8-bit features, system."""
    cores = os.cpu_count()
    name, features = _processor()
    features = f" ({features})" if features else ""
    return f"{name}{features}, {cores} core{'' if cores == 1 else 's'}, {platform.system()} {platform.machine()}"


def _processor() -> tuple[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return platform.processor() or platform.machine(), ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    known = set(flags[1].split()) if flags else set()
    return (
        name[1].strip() if name else platform.machine(),
        " ".join(feature for feature in _FEATURES if feature in known),
    )
