"""The README tells the truth: its Python runs, its commands and options exist, its links and make targets too.

The Python blocks run in order, in a folder that holds what the README says its reader has. A block under
`<!-- no-run -->` is only compiled.
"""

from __future__ import annotations

import functools
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
README = REPOSITORY / "README.md"
SHELLS = {"bash", "sh", "shell", "console"}


@dataclass(frozen=True)
class Block:
    language: str
    line: int  # of its first line of code
    mark: str  # "no-run" or ""
    code: str


def blocks_of(text: str) -> list[Block]:
    """Return the fenced code blocks, with the `<!-- mark -->` in the last non-empty line before each."""
    found, mark, language, start, code = [], "", None, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if fence and language is None:
            language, start, code = fence[1], number + 1, []
        elif fence:
            found.append(Block(language, start, mark, "\n".join(code)))
            language, mark = None, ""
        elif language is not None:
            code.append(line)
        elif line.strip():
            comment = re.fullmatch(r"\s*<!--\s*(no-run)\s*-->\s*", line)
            mark = comment[1] if comment else ""
    return found


def commands_of(block: Block) -> list[tuple[int, list[str]]]:
    """Return (line, words) of each simple command of a shell block; outputs of a console block are left out."""
    lines = block.code.split("\n")
    if block.language == "console":
        lines = [line[2:] if line.startswith(("$ ", "> ")) else "" for line in lines]
    found, start, joined = [], 0, ""
    for number, line in enumerate(lines):
        start = start if joined else number
        joined += line.removesuffix("\\")
        if line.endswith("\\"):
            continue
        lexer = shlex.shlex(joined, posix=True, punctuation_chars=True)
        lexer.whitespace_split, words = True, []
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|()"):
                while words and re.match(r"\w+=", words[0]):
                    words = words[1:]
                found += [(block.line + start, words)] if words else []
                words = []
            else:
                words.append(word)
        joined = ""
    return found


@functools.cache
def help_of(*verb: str) -> str:
    """Return `kerastx VERB --help`; raises AssertionError where there is no such verb."""
    code = "import sys; from kerastx.cli.app import main; sys.argv[0] = 'kerastx'; main()"
    environment = {**os.environ, "COLUMNS": "240", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-c", code, *verb, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, f"kerastx {' '.join(verb)} --help: {done.stdout}{done.stderr}"
    return done.stdout


def options_of(text: str) -> set[str]:
    """Return the options that a help page lists at the start of a row of its table."""
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", "\n".join(re.findall(r"^\W*-.*$", text, re.MULTILINE))))


def check_command(words: list[str], help_page=help_of) -> str | None:
    """Say what is wrong with the words of one `kerastx ...` command, or None."""
    verb = [word for word in words[1:3] if re.fullmatch(r"[a-z][a-z-]*", word)]
    if not verb:
        return None if set(words[1:]) <= {"--help", "-h", "--version"} else f"`{shlex.join(words)}` names no verb"
    known = options_of(help_page(*(verb if verb == words[1:3] else verb[:1])))
    used = {word.split("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
    unknown = sorted(used - known)
    return f"`kerastx {' '.join(verb)}` has no {', '.join(unknown)}" if unknown else None


def targets_of(text: str) -> set[str]:
    """Return the make targets named in code: `make test` in a line of prose, or at the start of a command."""
    inline = re.findall(r"`make ([a-z-]+)", text)
    commands = [words for block in shell_blocks(text) for _, words in commands_of(block)]
    return set(inline) | {
        words[1] for words in commands if words[0] == "make" and len(words) > 1 and "=" not in words[1]
    }


def links_of(text: str) -> list[str]:
    """Return link targets without scheme, their fragments cut off; code is left out."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    targets = [
        target.split("#")[0]
        for target in re.findall(r"\]\(([^)\s]+)[^)]*\)|(?:src|href)=\"([^\"]+)\"", prose)
        for target in target
    ]
    return [target for target in targets if target and not re.match(r"[a-z]+:", target)]


def shell_blocks(text: str) -> list[Block]:
    return [block for block in blocks_of(text) if block.language in SHELLS]


TEXT = README.read_text(encoding="utf-8") if README.is_file() else ""
PYTHON_BLOCKS = [block for block in blocks_of(TEXT) if block.language == "python"]


def test_the_readme_has_python_and_commands_to_check():
    assert TEXT, f"{README} is missing or empty"
    assert [block for block in PYTHON_BLOCKS if block.mark != "no-run"], "no ```python block that can be run"
    assert shell_blocks(TEXT), "no ```bash block"


@pytest.fixture
def what_a_reader_has(tmp_path, monkeypatch) -> Path:
    """A folder with the files that the README assumes: labelled rows, a pretrained checkpoint, a model by its name."""
    from kerastx.checkpoint.store import Checkpoint, save_checkpoint
    from kerastx.models.config import EncoderConfig
    from kerastx.models.pretraining import build_pretrainer
    from kerastx.text.tokenizer import Tokenizer

    rows = [(f"a {word} day with number {k}", word) for k in range(20) for word in ("sunny", "rainy", "windy")]
    for name, part in (("train.tsv", rows[:48]), ("dev.tsv", rows[48:])):
        lines = "".join(f"{text}\t{label}\n" for text, label in part)
        (tmp_path / name).write_text("text\tlabel\n" + lines, encoding="utf-8")
    tokenizer = Tokenizer.train([text for text, _ in rows], vocabulary_size=100)
    config = EncoderConfig.preset("tiny", vocabulary_size=tokenizer.vocabulary_size)
    checkpoint = Checkpoint(model=build_pretrainer(config), tokenizer=tokenizer, config=config, task="pretraining")
    (tmp_path / "build" / "demo").mkdir(parents=True)
    save_checkpoint(tmp_path / "build" / "demo" / "pretrained", checkpoint)
    # A folder is looked for before the Hub, so that a downloaded model keeps its name.
    named = tmp_path / "distilbert" / "distilbert-base-uncased-finetuned-sst-2-english"
    shutil.copytree(REPOSITORY / "tests" / "golden" / "distilbert-classifier", named)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_blocks_run(what_a_reader_has, capsys):
    for block in PYTHON_BLOCKS:
        script = what_a_reader_has / "README_block.py"
        # The empty lines make a traceback show the lines of the README.
        script.write_text("\n" * (block.line - 1) + block.code + "\n", encoding="utf-8")
        compile(block.code, str(script), "exec")
        if block.mark != "no-run":
            runpy.run_path(str(script), run_name="__main__")
    answers = capsys.readouterr().out
    assert any(label in answers for label in ("sunny", "rainy", "windy"))


def test_the_first_example_is_at_most_fifteen_lines():
    lines = [line for line in PYTHON_BLOCKS[0].code.splitlines() if line.strip()]
    assert len(lines) <= 15
    for step in (".compile(", ".fit(", "kerastx.export("):
        assert any(step in line for line in lines)


def test_the_classic_snippet_is_at_most_six_lines():
    (block,) = [block for block in PYTHON_BLOCKS if '"This is a great movie!"' in block.code]
    assert block.mark != "no-run"
    assert len([line for line in block.code.splitlines() if line.strip()]) <= 6
    for step in ("kerastx.load(", ".encode(", '["logits"]', ".labels["):
        assert step in block.code


def test_every_command_line_is_understood():
    commands = [(line, words) for block in shell_blocks(TEXT) for line, words in commands_of(block)]
    commands = [(line, words) for line, words in commands if Path(words[0]).name == "kerastx"]
    assert commands, "the README shows no kerastx command"
    wrong = [f"README.md:{line}: {reason}" for line, words in commands if (reason := check_command(words))]
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_make_target_exists():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = targets_of(TEXT)
    assert {"export", "test"} <= named, "the README must show the two commands"
    assert named <= known


def test_every_relative_link_leads_somewhere():
    assert [link for link in links_of(TEXT) if not (REPOSITORY / link).exists()] == []


def test_the_makefile_calls_verbs_that_exist():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    lines = re.findall(r"^\t\$\(BIN\)/(kerastx .*)$", makefile, re.MULTILINE)
    assert lines
    for line in lines:
        words = re.sub(r"\$\((?:[^()]|\([^()]*\))*\)", lambda made: " ".join(re.findall(r"--[a-z-]+", made[0])), line)
        assert check_command(shlex.split(words)) is None


# The checker itself, on a README made up here.

EXAMPLE = """
Run `make test`, see [the licence](LICENSE#terms), [the plan](docs/missing.md) and [Keras](https://keras.io).

<!-- no-run -->

```python
x = 1
```
prose
```python
y = 2
```
```bash
A=1 kerastx run model.tflite \\
    --json "some text" | head  # a comment
make bench && kerastx --help
```
```console
$ kerastx finetune classify --train x.tsv
kerastx is not a command here
```
"""


def test_blocks_carry_their_line_and_mark():
    found = [(block.language, block.line, block.mark) for block in blocks_of(EXAMPLE)]
    assert found == [("python", 7, "no-run"), ("python", 11, ""), ("bash", 14, ""), ("console", 19, "")]


def test_commands_are_split_and_numbered():
    assert [command for block in shell_blocks(EXAMPLE) for command in commands_of(block)] == [
        (14, ["kerastx", "run", "model.tflite", "--json", "some text"]),
        (14, ["head"]),
        (16, ["make", "bench"]),
        (16, ["kerastx", "--help"]),
        (19, ["kerastx", "finetune", "classify", "--train", "x.tsv"]),
    ]


def test_targets_and_links_are_found():
    assert targets_of(EXAMPLE) == {"test", "bench"}
    assert links_of(EXAMPLE) == ["LICENSE", "docs/missing.md"]


def test_an_unknown_option_is_reported():
    page = "Usage: kerastx run\n│ *  --json   print one object, unlike --table │\n│  --threads -t  │".format
    assert check_command(["kerastx", "run", "m.onnx", "--json", "-t"], lambda *verb: page()) is None
    reason = check_command(["kerastx", "run", "m.onnx", "--jsn"], lambda *verb: page())
    assert reason == "`kerastx run` has no --jsn"


def test_an_unknown_verb_is_reported():
    with pytest.raises(AssertionError, match="No such command"):
        check_command(["kerastx", "trian", "--data", "x"])
