"""500 MB of text are prepared in constant memory, all processes together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from generated_text import write_corpus

from kerastx.data.store import open_store

SIZE_BYTES = 500_000_000
LIMIT_MB = 1500


def processes(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += processes(int(child))
    except OSError:  # it has just ended
        pass
    return found


def memory_mb(pid: int) -> float:
    """Return the proportional set size: a page that processes share counts once in their sum."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="memory is read from /proc")
def test_a_large_corpus_in_little_memory(tmp_path):
    copies = write_corpus(tmp_path / "corpus.txt", SIZE_BYTES)
    program = "from kerastx.cli.app import main; main()"
    options = ["--corpus", tmp_path / "corpus.txt", "--output", tmp_path / "store"]
    begin, peak, most = time.monotonic(), 0.0, 0
    process = subprocess.Popen(
        [sys.executable, "-c", program, "prepare", *options, "--vocabulary-size", "16000", "--deduplicate"]
    )
    while process.poll() is None:
        tree = processes(process.pid)
        peak, most = max(peak, sum(map(memory_mb, tree))), max(most, len(tree))
        time.sleep(0.2)
    seconds = time.monotonic() - begin
    print(f"{peak:.0f} MB at most in {most} processes, {seconds:.0f} s, {SIZE_BYTES / 1e6 / seconds:.2f} MB/s")
    assert process.returncode == 0
    assert peak < LIMIT_MB
    store = open_store(tmp_path / "store")
    removed = sum(count["documents"] for count in store.manifest["removed"].values())
    assert 0.95 * copies <= removed <= copies + 0.001 * store.num_documents
