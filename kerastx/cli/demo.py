"""kerastx demo: the whole line on text that every Python has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.export import Recipe
from kerastx.cli.options import Force
from kerastx.cli.quiet import import_tensorflow


def demo(
    output: Annotated[Path, typer.Option("--output", help="Folder of corpus, store and checkpoints.")] = Path(
        "build/demo"
    ),
    export: Annotated[Path, typer.Option("--export", help="Folder of the files and the report.")] = Path(
        "build/export"
    ),
    steps: Annotated[int, typer.Option("--steps", min=1, help="Pretraining updates.")] = 600,
    recipe: Annotated[Recipe, typer.Option("--recipe", help="How weights are stored.")] = Recipe.dynamic_wi8_afp32,
    show_report: Annotated[bool, typer.Option("--show-report", help="Print report.md too.")] = False,
    force: Force = False,
) -> None:
    """Pretrain on Python's own documentation, fine-tune, export, verify, answer.

    Finished parts below --output are used again; --force starts anew.

    Example: `kerastx demo --output build/demo --export build/export`
    """
    import_tensorflow("all")
    from kerastx.cli.demo_run import run_demo

    run_demo(output, export, steps=steps, recipe=recipe.value, force=force, show_report=show_report)
