"""What pretraining is worth: the same classifier from pretrained and from random weights, on a few labelled rows.

    python tests/benchmarks/pretraining_gain.py --from build/pretrained --train sst2/train.tsv --dev sst2/dev.tsv

Every seed draws its own training rows, and both models see the same ones. The settings are the same for both.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from pathlib import Path

from kerastx.cli.finetune_run import FinetuneRequest, run_finetuning

STARTS = {"pretrained": False, "random": True}


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="start", type=Path, required=True, help="pretrained checkpoint")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=2000, help="labelled training rows of each seed")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    return parser.parse_args(arguments)


def accuracies(options: argparse.Namespace) -> dict[str, list[float]]:
    """Return the dev accuracy of every start and seed."""
    found: dict[str, list[float]] = {start: [] for start in STARTS}
    for seed in range(1, options.seeds + 1):
        for start, random_weights in STARTS.items():
            with tempfile.TemporaryDirectory() as folder:
                request = FinetuneRequest(
                    train=options.train,
                    dev=options.dev,
                    start=options.start,
                    output=Path(folder) / "classifier",
                    epochs=options.epochs,
                    learning_rate=options.learning_rate,
                    max_length=options.max_length,
                    limit=options.limit,
                    random_weights=random_weights,
                    seed=seed,
                    hold_out=0.0,  # all rows are learned from, and the last epoch counts
                )
                found[start].append(run_finetuning(request)["accuracy"])
            print(f"seed {seed}, {start}: {found[start][-1]:.4f}", file=sys.stderr, flush=True)
    return found


def compare(first: list[float], second: list[float]) -> dict[str, float]:
    """Return the difference of two means, its standard error (seeds unpaired) and their ratio."""
    difference = statistics.mean(first) - statistics.mean(second)
    error = math.sqrt(statistics.variance(first) / len(first) + statistics.variance(second) / len(second))
    return {"difference": difference, "standard_error": error, "ratio": difference / error if error else math.inf}


def main(arguments: list[str] | None = None) -> dict:
    """Fine-tune, print a table, and return the numbers."""
    options = parse_arguments(arguments)
    found = accuracies(options)
    result = {"accuracy": found, **compare(found["pretrained"], found["random"])}
    for start, values in found.items():
        print(f"{start:<12}{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f} over {len(values)} seeds")
    print(
        f"difference  {result['difference']:+.4f}, standard error {result['standard_error']:.4f}: "
        f"{result['ratio']:.1f} standard errors"
    )
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    main()
