"""Runs a program and its tests under guard; a script of its own, started by `running_tests` as `python -I -S -B`.

What holds the program:
- limits of the system: CPU time, address space, no byte to a file, few open files, no core dump, no further process
  (Linux does not count those of root);
- on Linux, where a user may make namespaces: no network but an unconnected one, and no process in sight but its own;
- an audit hook that refuses sockets, processes, signals, and the functions of Python that are known to make, change
  or remove files. Those that it does not hear of are taken away (`UNHEARD`), and so are modules whose native code
  would do it unheard (`UNHEARD_MODULES`) and all native modules from outside of the standard library. The hook is all
  there is against the network where there are no namespaces, as on macOS, and against files that stay empty.
It may read every file that its user may read, and hand it to nobody. What it does not hold: a program that knows how
to get around an audit hook, by a module or a function that these lists miss, or that looks through the frames for
what counts as an answer. Code of an attacker belongs into a virtual machine.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import runpy
import sys
from collections.abc import Callable
from typing import Any

OPEN_FILES = 32
# From linux/sched.h; os.unshare came with Python 3.12.
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x08000000, 0x10000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, SIGKILL = 1, 9
REFUSED = (
    "ctypes.", "fcntl.", "mmap.", "os.chflags", "os.chmod", "os.chown", "os.exec", "os.fork",
    "os.kill", "os.link", "os.mkdir", "os.posix_spawn", "os.putenv", "os.remove", "os.removexattr", "os.rename",
    "os.rmdir", "os.setxattr", "os.spawn", "os.startfile", "os.symlink", "os.system", "os.truncate", "os.utime",
    "pty.spawn", "resource.", "shutil.", "signal.pthread_kill", "socket.", "sqlite3.", "subprocess.", "syslog.",
    "tempfile.",
)  # fmt: skip
# No audit event tells of these; a module has them under two names, as os and posix.
UNHEARD = {
    "mkfifo": ("os", "posix"),
    "mknod": ("os", "posix"),
    "openpty": ("os", "posix"),
    "pidfd_send_signal": ("signal", "_signal"),
    "fork_exec": ("_posixsubprocess",),
}
# Nor of what these do: write files of their own, run other code, start interpreters without a hook.
UNHEARD_MODULES = frozenset({
    "_ctypes", "_ctypes_test", "_curses", "_curses_panel", "_dbm", "_gdbm", "_interpreters", "_multiprocessing",
    "_posixshmem", "_ssl", "_testcapi", "_testinternalcapi", "_tkinter", "_xxsubinterpreters", "ossaudiodev",
    "readline",
})  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> None:
    request = json.loads(sys.stdin.buffer.read())
    token = request["token"]
    answer = _own_answer_pipe()
    if _enter_namespaces():  # the first process after it sees no other one, and takes its own with it
        _continue_as_child()
    _limit(request["seconds"], request["memory_bytes"])
    _take_away()
    sys.addaudithook(_guard())
    os.write(answer, f"{token} {_outcome(request['program'])}".encode())
    os._exit(0)  # threads and exit handlers of the program have no say


def _outcome(program: str) -> str:
    """Run the file; return the name of the exception that ended it, or ""."""
    try:
        runpy.run_path(program, run_name="program")
    except BaseException as error:  # noqa: BLE001 - SystemExit too: who leaves before the last test has not passed
        return type(error).__name__[:100]
    return ""


def _own_answer_pipe() -> int:
    """Return a file descriptor for the answer; what the program prints and reads is the null device."""
    answer = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    os.close(null)
    return answer


def _enter_namespaces() -> bool:
    """Leave the network and the sight of other processes behind, where this system lets us."""
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        return ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC) == 0
    except (ImportError, OSError, AttributeError):
        return False


def _continue_as_child() -> None:
    """Go on in a new process; this one waits for it, and it does not outlive this one."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)


def _limit(seconds: float, memory_bytes: int) -> None:
    import resource

    limits = {
        "RLIMIT_CPU": math.ceil(seconds) + 1,  # behind the clock, which is the one to tell
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": OPEN_FILES,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CORE": 0,
    }
    for name, most in limits.items():
        try:
            resource.setrlimit(getattr(resource, name), (most, most))
        except (ValueError, OSError):  # macOS refuses limits of the address space
            if name != "RLIMIT_AS":
                raise


def _take_away() -> None:
    """Take the place of functions that the hook does not hear of, and forget modules that may not be imported."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("this is not for programs under test")

    for name, modules in UNHEARD.items():
        for module in map(importlib.import_module, modules):
            if hasattr(module, name):
                setattr(module, name, refuse)
    for name in {"ctypes", *UNHEARD_MODULES} & set(sys.modules):
        del sys.modules[name]


def _guard() -> Callable[[str, tuple[Any, ...]], None]:
    """Return the audit hook; what it needs it holds itself, out of the way of a program that changes modules."""
    refused, writing, error = REFUSED, WRITING, PermissionError
    unheard, folders, folder_of, missing = UNHEARD_MODULES, frozenset(sys.path), os.path.dirname, ImportError

    def guard(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import":
            # Of native modules, the file is told.
            if arguments[0] in unheard or (arguments[1] is not None and folder_of(arguments[1]) not in folders):
                # Not a PermissionError: much of the standard library goes on without a module.
                raise missing(f"{arguments[0]} is not for programs under test")
            return
        if event.startswith(refused) or (event == "open" and (arguments[2] or 0) & writing):
            raise error(f"{event} is not for programs under test")

    return guard


if __name__ == "__main__":
    main()
