"""Do files in 32 bits write, token by token, what Keras writes? In both formats, greedy and with beams.

    python tests/benchmarks/writer_parity.py build/books prompts.txt --tokens 200 --room 288
    python tests/benchmarks/writer_parity.py build/en-de val.en --limit 200

A line of the file is a prompt, or a source. --room gives a model whose positions are computed, not learned, places for
more tokens than it was trained on.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from itertools import islice
from pathlib import Path

import kerastx
from kerastx.checkpoint.store import Checkpoint, load_checkpoint
from kerastx.checkpoint.tasks import build_model
from kerastx.checkpoint.weights import assign_weights, weight_arrays
from kerastx_export.export import export_checkpoint


def with_room(checkpoint: Checkpoint, places: int) -> Checkpoint:
    """Return the checkpoint with so many places."""
    config = dataclasses.replace(checkpoint.config, max_sequence_length=places)
    model = build_model(checkpoint.task, config, checkpoint.labels)
    assign_weights(model.weights, weight_arrays(checkpoint.model), source="the checkpoint")
    return dataclasses.replace(checkpoint, model=model, config=config)


def main(arguments: list[str] | None = None) -> bool:
    """Print how many texts are equal; return whether all are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--tokens", type=int, help="new tokens, at most")
    parser.add_argument("--room", type=int)
    options = parser.parse_args(arguments)
    checkpoint = load_checkpoint(options.checkpoint)
    if options.room:
        checkpoint = with_room(checkpoint, options.room)
    with options.texts.open(encoding="utf-8") as lines:
        texts = [line.rstrip("\n") for line in islice(lines, options.limit)]
    is_equal = True
    with tempfile.TemporaryDirectory() as folder:
        export_checkpoint(checkpoint, Path(folder) / "files", recipe="fp32", inputs="ids")
        for beams in (1, 4):
            settings = {"num_beams": beams, "max_new_tokens": options.tokens}
            expected = [one.token_ids for one in checkpoint.generate(texts, **settings)]
            for path in sorted((Path(folder) / "files").glob("*-fp32.*")):
                written = kerastx.load(path).generate(texts, **settings)
                same = sum(one.token_ids == other for one, other in zip(written, expected, strict=True))
                tokens = sum(map(len, expected))
                print(
                    f"{path.suffix}, {beams} beams: {same} of {len(texts)} texts equal, {tokens:,} tokens", flush=True
                )
                is_equal &= same == len(texts)
    return is_equal


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
