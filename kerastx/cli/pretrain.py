"""kerastx pretrain: a token store to a pretrained checkpoint, of an encoder or of a model that writes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kerastx.cli.options import Accumulate, BatchSize, ChosenRate, Force, Json, Minutes, Precision, Precisions, Seed
from kerastx.cli.quiet import import_tensorflow


class Preset(StrEnum):
    tiny = "tiny"
    mini = "mini"
    small = "small"
    medium = "medium"
    base = "base"
    gpt2_tiny = "gpt2-tiny"
    gpt2_mini = "gpt2-mini"
    gpt2_small = "gpt2-small"
    gpt2_medium = "gpt2-medium"
    gpt2_base = "gpt2-base"
    llama_tiny = "llama-tiny"
    llama_mini = "llama-mini"
    llama_small = "llama-small"
    llama_medium = "llama-medium"
    llama_base = "llama-base"
    transformer_tiny = "transformer-tiny"
    transformer_mini = "transformer-mini"
    transformer_small = "transformer-small"
    transformer_medium = "transformer-medium"
    transformer_base = "transformer-base"
    t5_tiny = "t5-tiny"
    t5_mini = "t5-mini"
    t5_small = "t5-small"
    t5_medium = "t5-medium"
    t5_base = "t5-base"


class Norm(StrEnum):
    post = "post-norm"
    pre = "pre-norm"


def pretrain(
    data: Annotated[Path, typer.Option("--data", help="Token store, made by `kerastx prepare`.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of the run, then of the checkpoint.")],
    preset: Annotated[
        Preset | None,
        typer.Option("--preset", help="Size of an encoder, or FAMILY-SIZE of a model that writes [mini]."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Updates to make.")] = None,
    minutes: Minutes = None,
    start: Annotated[Path | None, typer.Option("--from", help="Checkpoint to go on from, on a new corpus.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was cut.")] = False,
    batch_size: BatchSize = 32,
    max_length: Annotated[
        int, typer.Option("--max-length", min=8, help="Tokens of a pair, or of a row of text.")
    ] = 128,
    learning_rate: ChosenRate = None,
    whole_word: Annotated[bool, typer.Option("--whole-word", help="Mask whole words.")] = False,
    norm: Annotated[Norm | None, typer.Option("--norm", help="Where the norms stand [post-norm].")] = None,
    dropout_rate: Annotated[
        float | None, typer.Option("--dropout-rate", help="In every layer [as BERT, GPT-2 and Llama, or as in --from].")
    ] = None,
    random_start: Annotated[
        bool, typer.Option("--random-start", help="Random weights, not a start from counting the corpus.")
    ] = False,
    precision: Precision = Precisions.auto,
    accumulate: Accumulate = 1,
    pack: Annotated[
        bool | None, typer.Option("--pack/--no-pack", help="Short pairs side by side in a row [when it is worth it].")
    ] = None,
    save_every: Annotated[
        int | None, typer.Option("--save-every", min=1, help="Steps between checkpoints [as 2 % of the time allows].")
    ] = None,
    keep: Annotated[int, typer.Option("--keep", min=1, help="Newest checkpoints that stay.")] = 2,
    seed: Seed = 1,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train an encoder on masked words and next sentences, a language model on next tokens, an encoder-decoder on gaps.

    Example: `kerastx pretrain --data build/store --preset mini --minutes 60 --output build/pretrained`

    With `--preset llama-mini` or `gpt2-mini` it is a language model, with `t5-mini` or `transformer-mini` an
    encoder-decoder; their store is prepared with `--vocabulary byte_bpe`.
    """
    if (steps is None) == (minutes is None):
        raise typer.BadParameter("give exactly one of --steps and --minutes")
    if resume and force:
        raise typer.BadParameter("--resume continues a run, --force replaces it: give one")
    if start is not None and (preset or norm or random_start):
        raise typer.BadParameter("--from brings its own model: leave out --preset, --norm and --random-start")
    preset = preset or Preset.mini
    if "-" in preset.value and (norm or whole_word or random_start or pack is not None):
        others = "--norm, --whole-word, --random-start and --pack"
        raise typer.BadParameter(f"{others} are for encoders; a model that writes has no use for them")
    import_tensorflow("train")
    from kerastx.cli.pretrain_request import PretrainRequest
    from kerastx.cli.pretrain_run import run_pretraining

    request = PretrainRequest(
        data=data,
        output=output,
        preset=preset.value,
        steps=steps,
        minutes=minutes,
        start=start,
        resume=resume,
        batch_size=batch_size,
        max_length=max_length,
        learning_rate=learning_rate,
        whole_word=whole_word,
        norm=norm.value if norm else None,
        dropout_rate=dropout_rate,
        random_start=random_start,
        precision=precision.value,
        accumulate=accumulate,
        pack=pack,
        save_every=save_every,
        keep=keep,
        seed=seed,
        force=force,
    )
    logs = run_pretraining(request)
    if json:
        import json as json_module

        print(json_module.dumps(logs))
