"""The command line, called in this process: a process of its own spends seconds on starting TensorFlow."""

from __future__ import annotations

import pytest

from kerastx.cli.app import main


@pytest.fixture
def kerastx(capsys):
    """Run a command line; return exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run
