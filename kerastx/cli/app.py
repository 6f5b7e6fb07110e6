"""`kerastx VERB ...`: the verbs, and what becomes of their errors."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from kerastx import __version__
from kerastx.cli import (
    demo,
    evaluate,
    export,
    finetune,
    import_model,
    inspect,
    prepare,
    pretrain,
    run,
    score,
    verify,
    write,
)
from kerastx.errors import KerastxError

app = typer.Typer(
    name="kerastx",
    help="From raw text to one small verified file that takes text and answers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """From raw text to one small verified file that takes text and answers."""
    if version:
        print(f"kerastx {__version__}")
        raise typer.Exit


app.command("prepare")(prepare.prepare)
app.command("inspect")(inspect.inspect)
app.command("pretrain")(pretrain.pretrain)
app.add_typer(finetune.app, name="finetune")
app.command("import")(import_model.import_model)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("run")(run.run)
app.command("generate")(write.generate)
app.command("translate")(write.translate)
app.command("summarize")(write.summarize)
app.command("score")(score.score)
app.command("verify")(verify.verify)
app.command("demo")(demo.demo)


def main(arguments: list[str] | None = None) -> None:
    """Run one verb: exit 0 done, 1 failed with one `error: ...` line, 2 wrong usage, 130 interrupted."""
    # TensorFlow greets with a dozen lines about devices that are not there; errors still come as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _write_any_text()
    try:
        try:
            app(arguments)
        finally:
            _flush()
    except KerastxError as error:
        _fail(str(error), 1)
    except ValueError as error:
        _fail(str(error), 2)
    except BrokenPipeError:
        # The reader of our output has gone (`kerastx run ... | head`): nothing is wrong.
        sys.exit(0)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error), 1)
    except SystemExit as done:
        # Typer gets to see a broken pipe first, and calls it a failure.
        if isinstance(done.__context__, BrokenPipeError):
            sys.exit(0)
        raise


def _write_any_text() -> None:
    """Write UTF-8 like the files and stdin that are read, whatever the locale; a lone surrogate as its escape."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def _flush() -> None:
    """Write what is left, while a full disk can still become an exit code."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # Python would try again on leaving, and complain in its own way.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _fail(message: str, code: int) -> None:
    print("error: " + " ".join(message.split("\n")), file=sys.stderr)
    sys.exit(code)
