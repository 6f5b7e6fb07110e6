"""How much memory a file takes: loaded and run once, in a process that does nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from kerastx.errors import ExportError


def peak_memory_bytes(path: Path, *, length: int, signature: str | None = None) -> int:
    """Return by how many bytes a process grows that loads a file and runs it once, on one row of full length.

    Args:
        path: of a .tflite or .onnx file.
        length: tokens, where the file leaves them open.
        signature: of a .tflite file with several.

    Raises:
        ExportError: the process did not end well.
    """
    command = [
        sys.executable,
        "-m",
        "kerastx_export.peak_memory",
        str(path),
        str(length),
        *([signature] if signature else []),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExportError(f"cannot measure the memory of {path.name}: {' '.join(done.stderr.split())[-300:]}")
    return int(done.stdout)


def _peak_bytes() -> int:
    # Linux counts the process that started this one into ru_maxrss; it has TensorFlow in it.
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def _run_tflite(path: str, length: int, signature: str | None = None) -> int:
    from ai_edge_litert.interpreter import Interpreter

    before = _peak_bytes()
    run = Interpreter(model_path=path, num_threads=1).get_signature_runner(signature)
    details = run.get_input_details()
    run(**{name: _row(detail["shape_signature"], length, detail["dtype"]) for name, detail in details.items()})
    return _peak_bytes() - before


def _run_onnx(path: str, length: int) -> int:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    before = _peak_bytes()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    dtypes = {"tensor(bool)": np.bool_, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8}
    session.run(None, {item.name: _row(item.shape, length, dtypes[item.type]) for item in session.get_inputs()})
    return _peak_bytes() - before


def _row(shape: list[int | str], length: int, dtype: type) -> np.ndarray:
    """Return one row of the first id, of a mask that is true, or of a text of one-letter words.

    What is open in `shape`, which is no number or below 0, has the length, that of a text two bytes for each token.
    """
    is_text = dtype == np.uint8
    sizes = [size if isinstance(size, int | np.integer) and size > 0 else length * (1 + is_text) for size in shape[1:]]
    if is_text:
        return np.resize(np.frombuffer(b"a ", np.uint8), (1, *sizes))
    return np.full((1, *sizes), dtype == np.bool_, dtype)


if __name__ == "__main__":
    file, tokens, *names = sys.argv[1:]
    found = _run_onnx(file, int(tokens)) if file.endswith(".onnx") else _run_tflite(file, int(tokens), *names)
    print(found)
