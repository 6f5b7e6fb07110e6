"""What programs under test may do: pass. None of the others here may reach beyond their own process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kerastx.analysis import running_tests
from kerastx.analysis.running_tests import ProgramRun, run_tests

TESTS = ["assert double(2) == 4", "assert double(3) == 6"]
GOOD = "def double(x):\n    return 2 * x\n"
PASSED = ProgramRun(passed=True, reason="")


def reason_of(program: str, **options) -> str:
    result = run_tests(program + "\n" + GOOD, TESTS, **options)
    assert result.passed == (not result.reason)
    return result.reason


def changed_guard(monkeypatch, tmp_path, before: str, after: str) -> None:
    """Run programs under a guard that lacks something."""
    source = running_tests.GUARDED_RUN.read_text()
    assert source.count(before) == 1
    (tmp_path / "guard.py").write_text(source.replace(before, after))
    monkeypatch.setattr(running_tests, "GUARDED_RUN", tmp_path / "guard.py")


def test_a_program_that_passes():
    assert run_tests(GOOD, TESTS) == PASSED
    assert run_tests(GOOD, ["assert double(two) == 4"], setup="two = 2") == PASSED
    assert reason_of("import asyncio, collections, decimal, heapq, math, random, re, urllib.request") == ""


def test_what_is_wrong_is_told():
    assert run_tests("def double(x):\n    return x\n", TESTS).reason == "AssertionError"
    assert run_tests(GOOD, [TESTS[0], "assert double(3) == 7"]).reason == "AssertionError"
    assert run_tests("def double(x)", TESTS).reason == "SyntaxError"
    assert run_tests("", TESTS).reason == "NameError"


def test_leaving_before_the_tests_is_not_passing():
    assert reason_of("import sys\nsys.exit(0)") == "SystemExit"
    assert reason_of("import os\nos._exit(0)") == "ended early"
    assert reason_of("import os\nos.write(3, b'passed ')\nos._exit(0)") == "ended early"


@pytest.mark.parametrize(
    "program", ["while True: pass", "import time\ntime.sleep(60)", "import os\nos.setsid()\nwhile True: pass"]
)
def test_a_program_that_does_not_end_is_killed(program):
    start = time.monotonic()
    assert reason_of(program, seconds=1) == "timed out"
    assert time.monotonic() - start < 10


def test_memory_is_limited():
    assert reason_of("numbers = [0] * (1 << 30)") == "MemoryError"
    assert reason_of("found = bytearray()\nwhile True: found += bytes(1 << 20)") == "MemoryError"


@pytest.mark.parametrize(
    "program",
    [
        "import os\nos.fork()",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.system('true')",
        "import os\nos.posix_spawn('/bin/true', ['true'], {})",
        "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=print).start()",
        "import socket\nsocket.socket()",
        "import socket\nsocket.getaddrinfo('localhost', 80)",
        "import socket\nsocket.create_connection(('127.0.0.1', 9))",
        "import os\nos.kill(os.getppid(), 9)",
        "import os\nos.killpg(0, 9)",
        "import _posixsubprocess\n_posixsubprocess.fork_exec()",
        pytest.param(
            "import os, signal\nsignal.pidfd_send_signal(os.pidfd_open(os.getpid()), 9)",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it"),
        ),
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (9, 9))",
    ],
)
def test_what_reaches_beyond_the_process_is_refused(program):
    assert reason_of(program) == "PermissionError"


def test_nothing_is_written_or_removed(tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_text("here")
    new = tmp_path / "new.txt"
    for program in (
        f"open({str(new)!r}, 'w')",
        f"open({str(kept)!r}, 'r+')",
        f"import os\nos.open({str(new)!r}, os.O_CREAT)",
        f"import os\nos.remove({str(kept)!r})",
        f"import os\nos.rename({str(kept)!r}, {str(new)!r})",
        f"import os\nos.mkdir({str(new)!r})",
        f"import os\nos.truncate({str(kept)!r}, 0)",
        f"import sqlite3\nsqlite3.connect({str(new)!r})",
        f"import os\nos.mkfifo({str(new)!r})",
        f"import posix\nposix.mkfifo({str(new)!r})",
        f"import os\nos.mknod({str(new)!r})",
    ):
        assert reason_of(program) == "PermissionError", program
    for program in (
        f"import readline\nreadline.write_history_file({str(kept)!r})",
        f"import ssl\nssl.create_default_context().keylog_filename = {str(new)!r}",
        f"import _ssl\n_ssl._SSLContext(2).keylog_filename = {str(new)!r}",
        f"import _gdbm\n_gdbm.open({str(new)!r}, 'n')",
        f"import _dbm\n_dbm.open({str(new)!r}, 'n')",
        "from multiprocessing import shared_memory\nshared_memory._posixshmem",
        "import _posixshmem",
        "import _xxsubinterpreters",
        "import ctypes\nctypes.CDLL(None)",
    ):
        assert reason_of(program) in ("ImportError", "ModuleNotFoundError", "AttributeError"), program
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
    assert kept.read_text() == "here"


def test_native_modules_from_elsewhere_are_refused(tmp_path):
    """A copy of one of the standard library's own, as of a package that was installed."""
    import math

    if getattr(math, "__file__", None) is None:
        pytest.skip("this Python has the module in itself")
    copy = tmp_path / Path(math.__file__).name
    copy.write_bytes(Path(math.__file__).read_bytes())
    load = (
        f"import _imp, importlib.machinery as m\n_imp.create_dynamic(m.ModuleSpec('math', None, origin={str(copy)!r}))"
    )
    assert reason_of(load) == "ImportError"
    assert reason_of(load.replace(str(copy), math.__file__)) == ""


def test_a_program_finds_an_empty_folder_and_no_environment(monkeypatch):
    monkeypatch.setenv("SOMETHING_SECRET", "1")
    assert reason_of("import os\nassert os.listdir() == [] and 'SOMETHING_SECRET' not in os.environ") == ""
    assert reason_of("import numpy") == "ModuleNotFoundError"
    assert reason_of("assert input() == ''") == "EOFError"


def test_megabytes_of_output_go_nowhere():
    assert (
        reason_of("import sys\nfor _ in range(50):\n    print('x' * 1_000_000)\n    sys.stderr.write('x' * 1000)") == ""
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the hook is all there is elsewhere")
def test_limits_hold_without_the_hook(monkeypatch, tmp_path):
    changed_guard(monkeypatch, tmp_path, "sys.addaudithook(_guard())", "pass")
    file = tmp_path / "written.txt"
    assert reason_of(f"with open({str(file)!r}, 'w') as file:\n    file.write('x')") == "OSError"
    assert reason_of("import os\nfound = [os.dup(1) for _ in range(100)]") == "OSError"
    assert file.read_text() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="needs namespaces")
def test_namespaces_hold_without_the_hook(monkeypatch, tmp_path):
    done = subprocess.run(["unshare", "--user", "--net", "--pid", "--fork", "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this user may not make namespaces")
    changed_guard(monkeypatch, tmp_path, "sys.addaudithook(_guard())", "pass")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert reason_of(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)") == "OSError"
    assert reason_of("import os\nassert os.getppid() == 0") == ""
    assert reason_of(f"import os\nos.kill({os.getpid()}, 0)") == "ProcessLookupError"
    # Its children end with it, though they have left its group.
    assert reason_of("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\n    os._exit(0)") == ""


def test_the_hook_holds_without_namespaces(monkeypatch, tmp_path):
    changed_guard(monkeypatch, tmp_path, "if _enter_namespaces():", "if False:")
    assert run_tests(GOOD, TESTS) == PASSED
    assert reason_of("import os\nos.kill(os.getppid(), 9)") == "PermissionError"
    assert reason_of("import socket\nsocket.socket()") == "PermissionError"
    assert reason_of("while True: pass", seconds=1) == "timed out"


def test_tests_are_needed():
    with pytest.raises(ValueError, match="expected tests, got none"):
        run_tests(GOOD, [])


def test_windows_is_told(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(OSError, match="use Linux, macOS or WSL"):
        run_tests(GOOD, TESTS)
