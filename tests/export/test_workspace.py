"""Files appear in the output when all are whole; nothing half-made stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from kerastx.errors import ExportError
from kerastx_export.workspace import workspace

NAMES = ["a.bin", "b.bin"]


def fill(folder, *names):
    for name in names:
        (folder / name).write_text(f"new {name}")


def test_named_files_are_moved_and_the_rest_is_deleted(tmp_path):
    output = tmp_path / "deep" / "out"
    with workspace(output, NAMES, force=False) as folder:
        assert folder.parent == output.parent  # the same disk, or a rename would copy
        assert folder.name.startswith(".out.tmp-")
        fill(folder, *NAMES, "scratch")
        assert not output.exists()
    assert {path.name: path.read_text() for path in output.iterdir()} == {name: f"new {name}" for name in NAMES}
    assert [path.name for path in output.parent.iterdir()] == ["out"]


def fail_after_filling(folder):
    fill(folder, *NAMES)
    raise RuntimeError("boom")


def test_an_error_inside_passes_and_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match=r"^boom$"), workspace(tmp_path / "out", NAMES, force=False) as folder:
        fail_after_filling(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_in_one_line(tmp_path):
    message = r"^cannot write \S+/out: No space left on device$"
    with pytest.raises(ExportError, match=message), workspace(tmp_path / "out", NAMES, force=False):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_named_file_that_was_not_made_leaves_the_output_as_it_was(tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "a.bin").write_text("old")
    with pytest.raises(ExportError, match=r"No such file"), workspace(output, NAMES, force=True) as folder:
        fill(folder, "a.bin")
    assert (output / "a.bin").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def enter(output, *, force=False):
    with workspace(output, NAMES, force=force) as folder:
        fill(folder, *NAMES)


def test_an_existing_file_needs_force(tmp_path):
    (tmp_path / "b.bin").write_text("old")
    with pytest.raises(ExportError, match=r"/b.bin exists; choose another output or use --force$"):
        enter(tmp_path)
    assert (tmp_path / "b.bin").read_text() == "old"
    enter(tmp_path, force=True)
    assert (tmp_path / "b.bin").read_text() == "new b.bin"


def test_other_files_of_an_existing_output_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    enter(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*NAMES, "mine.txt"]


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ExportError, match=r"/out is a file; expected a folder for the exported files$"):
        enter(tmp_path / "out", force=True)
    with pytest.raises(ExportError, match=r"cannot write \S+/out/below: Not a directory$"):
        enter(tmp_path / "out" / "below", force=True)
    assert (tmp_path / "out").read_text() == "a file"


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(ExportError, match=r"/a.bin is a folder; expected nothing or a file there$"):
        enter(tmp_path, force=True)
    assert (tmp_path / "a.bin").is_dir()


@pytest.mark.parametrize("length", [250, 300])  # the hidden folder's name is too long, the output's own is
def test_a_name_that_is_too_long_is_refused(tmp_path, length):
    with pytest.raises(ExportError, match=r"cannot write \S+: File name too long$"):
        enter(tmp_path / ("a" * length))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ExportError, match=r"cannot write \S+/out: Permission denied$"):
        enter(tmp_path / "out")


@pytest.fixture
def ended_process_id() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_leftovers_of_ended_processes_go_and_all_else_stays(tmp_path, ended_process_id):
    dead = tmp_path / f".out.tmp-{ended_process_id}"
    own = tmp_path / f".out.tmp-{os.getpid()}"  # of an earlier process that had our number
    kept = [
        tmp_path / f".out.tmp-{os.getppid()}",  # still running
        tmp_path / f".other.tmp-{ended_process_id}",
        tmp_path / f".out.tmp-{ended_process_id}x",
    ]
    for folder in (dead, own, *kept):
        folder.mkdir()
        (folder / "half").write_text("half")
    enter(tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "out", *kept])
    assert all((folder / "half").read_text() == "half" for folder in kept)
