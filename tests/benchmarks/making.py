"""Runs the scripts in makers/, each in the environment of its library."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from contest import BenchmarkError
from interleave import HERE, ONE_THREAD


def make(script: str, folder: Path, sizes: Mapping[str, object], *, python: Path, ours: bool = False) -> str | None:
    """Run makers/SCRIPT on `folder`; return why its library cannot take part, None when the files are there.

    Raises:
        BenchmarkError: the script fails for another reason than a missing library.
    """
    if not python.exists():
        return f"not installed: there is no {python}"
    search = [str(HERE), str(HERE / "contestants")]
    if ours and "PYTHONPATH" in os.environ:
        search.append(os.environ["PYTHONPATH"])
    environment = {**os.environ, **ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [str(python), str(HERE / "makers" / script), str(folder), json.dumps(dict(sizes))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**environment, "PYTHONPATH": os.pathsep.join(search)},
    )
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    reason = lines[-1] if lines else f"status {done.returncode}"
    if reason.startswith(("ModuleNotFoundError", "ImportError")):
        return f"not installed: {reason.split(': ', 1)[-1]}"
    raise BenchmarkError(f"makers/{script} failed: {reason}")
