"""Which precision a CPU gets, and that a block of it ends."""

from __future__ import annotations

import keras
import pytest

from kerastx.training import precision as module
from kerastx.training.precision import cpu_flags, precision, resolve_precision


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx512f avx512_bf16 amx_tile", "bfloat16"),
        ("fpu amx_bf16", "bfloat16"),
        ("fpu avx2 avx512f avx512_vnni", "float32"),
        ("", "float32"),
    ],
)
def test_the_cpu_decides(monkeypatch, tmp_path, flags, expected):
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nmodel name\t: Test\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    monkeypatch.setattr(module, "CPU_INFO", info)
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    assert resolve_precision("auto") == expected
    assert cpu_flags() == set(flags.split())
    assert resolve_precision("float32") == "float32"
    assert resolve_precision("bfloat16") == "bfloat16"


def test_other_machines_train_in_float32(monkeypatch, tmp_path):
    monkeypatch.setattr(module.platform, "machine", lambda: "arm64")
    assert resolve_precision("auto") == "float32"
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(module, "CPU_INFO", tmp_path / "none")
    assert resolve_precision("auto") == "float32"


def test_an_unknown_precision_is_named():
    with pytest.raises(ValueError, match="precision must be one of auto, float32, bfloat16, got 'half'"):
        resolve_precision("half")


def test_the_policy_holds_inside_of_the_block_only():
    with precision("bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    assert keras.layers.Dense(1).compute_dtype == "float32"
    with pytest.raises(ZeroDivisionError), precision("bfloat16"):
        1 / 0  # noqa: B018
    assert keras.layers.Dense(1).compute_dtype == "float32"
