"""Whether a program that somebody or something else wrote passes its tests: it runs in a process of its own.

What holds it is in `guarded_run`; read there what it does not hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

GUARDED_RUN = Path(__file__).with_name("guarded_run.py")
_LARGEST_ANSWER = 4096


class ProgramRun(NamedTuple):
    """What became of a program: `reason` is "" where it passed, else an exception, "timed out" or "ended early"."""

    passed: bool
    reason: str


def run_tests(
    program: str, tests: Sequence[str], *, setup: str = "", seconds: float = 5.0, memory_bytes: int = 256 << 20
) -> ProgramRun:
    """Run a Python program and then its tests; it has passed when all of that ended without an exception.

    It runs in a process group of its own, in an empty folder, without environment, input or output, without packages
    that were installed, and is killed as a whole when its time is over. It writes no byte to a file and stays within
    its memory; what Python has to make or remove files, open sockets, start processes or send signals is refused as
    far as it is known. That holds mistakes, not an attacker: see `guarded_run`.

    Args:
        program: Python source.
        tests: statements, as `assert add(1, 2) == 3`.
        setup: statements between the two.
        seconds: of wall time, the start of Python included, and about as many of CPU time.
        memory_bytes: of address space.

    Raises:
        ValueError: there are no tests.
        OSError: on Windows, which has no such limits.
    """
    if not tests:
        raise ValueError("expected tests, got none: a program without tests passes nothing.")
    if sys.platform == "win32":
        raise OSError("programs are only run where the system can limit them: use Linux, macOS or WSL.")
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as stdin:
        file, empty = Path(folder) / "program.py", Path(folder) / "empty"
        file.write_bytes("\n".join([program, setup, *tests, ""]).encode(errors="replace"))
        empty.mkdir()
        request = {"program": str(file), "token": token, "seconds": seconds, "memory_bytes": memory_bytes}
        stdin.write(json.dumps(request).encode())
        stdin.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(GUARDED_RUN)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=empty,
            env={},
            start_new_session=True,
        )
        answer, timed_out = _answer(process, seconds)
    said_token, _, reason = answer.partition(" ")
    if said_token == token:
        return ProgramRun(not reason, reason)
    return ProgramRun(False, "timed out" if timed_out else "ended early")


def _answer(process: subprocess.Popen[bytes], seconds: float) -> tuple[str, bool]:
    """Wait, kill the whole group, and return what it said and whether its time was over."""
    timed_out = False
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        # The group may be there when its first process is not.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
    with process.stdout as pipe:  # type: ignore[union-attr]
        # Whoever still holds the other end, nobody is waited for.
        os.set_blocking(pipe.fileno(), False)
        answer = pipe.read(_LARGEST_ANSWER) or b""
    return answer.decode(errors="replace"), timed_out
