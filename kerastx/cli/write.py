"""kerastx generate, translate and summarize: texts to texts, shown as they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kerastx.cli.options import Json, Seed

Model = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Folder of a model that writes, or exported file.")]
Texts = Annotated[list[str] | None, typer.Argument(help="Texts; stdin lines when there are none.")]
MaxNew = Annotated[int | None, typer.Option("--max-new-tokens", min=1, help="A text has at most so many tokens.")]
MinNew = Annotated[int, typer.Option("--min-new-tokens", min=0, help="It does not end before it has so many.")]
Beams = Annotated[int, typer.Option("--beams", min=1, help="Texts side by side, to find the most probable one.")]
LengthPenalty = Annotated[float, typer.Option("--length-penalty", help="Of beams: above 0 favours long texts.")]
RepetitionPenalty = Annotated[float, typer.Option("--repetition-penalty", help="Above 1: what is there comes less.")]
NoRepeat = Annotated[int | None, typer.Option("--no-repeat-ngram", min=1, help="No so many tokens come twice.")]
Stop = Annotated[list[str] | None, typer.Option("--stop", help="A text ends before this string; may be repeated.")]


def generate(
    checkpoint: Model,
    text: Texts = None,
    max_new_tokens: MaxNew = None,
    min_new_tokens: MinNew = 0,
    temperature: Annotated[float, typer.Option("--temperature", help="0 = the most probable token; 1 = draw.")] = 0.0,
    top_k: Annotated[int | None, typer.Option("--top-k", help="Draw from the most probable tokens only.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="Draw from those so probable together.")] = None,
    min_p: Annotated[float | None, typer.Option("--min-p", help="Draw from those with this share of the best.")] = None,
    beams: Beams = 1,
    length_penalty: LengthPenalty = 1.0,
    repetition_penalty: RepetitionPenalty = 1.0,
    no_repeat_ngram: NoRepeat = None,
    stop: Stop = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Go on from each text, and show the whole as it is written; how fast is told on stderr.

    An empty text is a beginning too: `kerastx generate CHECKPOINT ""`.

    Example: `kerastx generate build/books "It was a" --temperature 0.8 --top-p 0.9 --max-new-tokens 60`
    """
    options = {
        "max_new_tokens": max_new_tokens,
        "min_new_tokens": min_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "num_beams": beams,
        "length_penalty": length_penalty,
        "repetition_penalty": repetition_penalty,
        "no_repeat_ngram": no_repeat_ngram,
        "stop": tuple(stop or ()),
        "seed": seed,
    }
    _write(checkpoint, text, options, task="language_model", json=json)


def translate(
    checkpoint: Model,
    text: Texts = None,
    beams: Beams = 1,
    length_penalty: LengthPenalty = 1.0,
    max_new_tokens: MaxNew = None,
    json: Json = False,
) -> None:
    """Translate texts, one line each.

    Example: `kerastx translate build/translator "A man rides a bicycle." --beams 5`
    """
    options = {"num_beams": beams, "length_penalty": length_penalty, "max_new_tokens": max_new_tokens}
    _write(checkpoint, text, options, task="seq2seq", json=json)


def summarize(
    checkpoint: Model,
    text: Texts = None,
    beams: Beams = 1,
    length_penalty: LengthPenalty = 1.0,
    min_new_tokens: MinNew = 0,
    max_new_tokens: MaxNew = None,
    no_repeat_ngram: NoRepeat = None,
    json: Json = False,
) -> None:
    """Summarize texts, one line each.

    Example: `kerastx summarize build/summarizer < texts.txt --beams 4 --no-repeat-ngram 3`
    """
    options = {
        "num_beams": beams,
        "length_penalty": length_penalty,
        "min_new_tokens": min_new_tokens,
        "max_new_tokens": max_new_tokens,
        "no_repeat_ngram": no_repeat_ngram,
    }
    _write(checkpoint, text, options, task="seq2seq", json=json)


def _write(path: Path, texts: list[str] | None, options: dict[str, Any], *, task: str, json: bool) -> None:
    from kerastx.runtime.generation_settings import GenerationSettings

    settings = GenerationSettings.of(None, options)
    from kerastx.cli.write_run import run_writer

    run_writer(path, texts, settings, task=task, as_json=json)
