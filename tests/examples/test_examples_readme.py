"""examples/README.md shows every example with commands that are understood and pictures that are there and small."""

from __future__ import annotations

import importlib.util
import re

import pytest
from test_readme import REPOSITORY, check_command, commands_of, links_of, shell_blocks, targets_of

FOLDER = REPOSITORY / "examples"
EXAMPLES = sorted(path.name for path in FOLDER.glob("*.py"))
TEXT = (FOLDER / "README.md").read_text(encoding="utf-8") if (FOLDER / "README.md").exists() else ""
COMMANDS = [(line, words) for block in shell_blocks(TEXT) for line, words in commands_of(block)]
LARGEST_PICTURE = 60_000


def runs_of(name: str) -> list[list[str]]:
    """Return the arguments of each command that runs an example."""
    return [words[2:] for _, words in COMMANDS if words[:2] == ["python", f"examples/{name}"]]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_has_its_place_and_a_command_that_parses(name):
    assert f"]({name})" in TEXT, f"examples/README.md has no link to {name}"
    assert runs_of(name), f"examples/README.md shows no command for {name}"
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), FOLDER / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for arguments in runs_of(name):
        module.parse_arguments(arguments)


def test_no_command_runs_an_example_that_is_not_there():
    named = {words[1].removeprefix("examples/") for _, words in COMMANDS if words[0] == "python" and words[1] != "-c"}
    assert named == set(EXAMPLES)


def test_every_other_command_is_understood():
    wrong = [(line, check_command(words)) for line, words in COMMANDS if words[0] == "kerastx"]
    assert [(line, reason) for line, reason in wrong if reason] == []
    for line, words in COMMANDS:
        assert words[0] in ("python", "kerastx", "make", "source", "export"), f"examples/README.md:{line}"
        if words[:2] == ["python", "-c"]:
            compile(words[2], f"examples/README.md:{line}", "exec")


def test_every_make_target_exists():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert targets_of(TEXT) <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_every_link_and_picture_is_there():
    assert [link for link in links_of(TEXT) if not (FOLDER / link).exists()] == []
    shown = {link for link in links_of(TEXT) if link.endswith(".png")}
    pictures = sorted((FOLDER / "pictures").glob("*"))
    assert {f"pictures/{path.name}" for path in pictures} == shown
    assert [path.name for path in pictures if path.stat().st_size > LARGEST_PICTURE] == []


def test_numbers_say_when_and_on_what_they_were_measured():
    assert re.search(r"20\d\d-\d\d-\d\d", TEXT)
    assert "cores" in TEXT
