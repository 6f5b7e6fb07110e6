"""What length buckets are worth: the same fine-tuning with them and with every batch padded to the maximum.

    python tests/benchmarks/length_buckets.py --from build/pretrained --train sst2/train.tsv --dev sst2/dev.tsv

CPU time of `fit` alone. The two ways take turns, seed after seed, and see the same rows.
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

WAYS = {"buckets": True, "padded": False}


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="start", type=Path, required=True, help="pretrained checkpoint")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="training rows [all]")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    return parser.parse_args(arguments)


def runs(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Return the scores and times of every way and seed."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for seed in range(1, options.seeds + 1):
        for way in list(WAYS)[:: -1 if seed % 2 else 1]:
            with tempfile.TemporaryDirectory() as folder:
                request = FinetuneRequest(
                    train=options.train,
                    dev=options.dev,
                    start=options.start,
                    output=Path(folder) / "classifier",
                    epochs=options.epochs,
                    max_length=options.max_length,
                    limit=options.limit,
                    length_buckets=WAYS[way],
                    seed=seed,
                    hold_out=0.0,  # all rows are learned from, and the last epoch counts
                )
                found[way].append(run_finetuning(request))
            last = found[way][-1]
            print(f"seed {seed}, {way}: {last['accuracy']:.4f}, {last['train_cpu_seconds']:.0f} CPU s", file=sys.stderr)
    return found


def compare(found: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """Return the speed-up, and the difference of accuracy with its standard error over paired seeds."""
    pairs = list(zip(found["buckets"], found["padded"], strict=True))
    differences = [first["accuracy"] - second["accuracy"] for first, second in pairs]
    return {
        "speedup": statistics.median(
            second["train_cpu_seconds"] / first["train_cpu_seconds"] for first, second in pairs
        ),
        "difference": statistics.mean(differences),
        "standard_error": statistics.stdev(differences) / math.sqrt(len(differences)),
    }


def main(arguments: list[str] | None = None) -> dict:
    """Fine-tune, print a table, and return the numbers."""
    options = parse_arguments(arguments)
    found = runs(options)
    result = {"runs": found, **compare(found)}
    for way, rows in found.items():
        accuracy = statistics.mean(row["accuracy"] for row in rows)
        seconds = statistics.median(row["train_cpu_seconds"] for row in rows)
        print(f"{way:<10}{accuracy:.4f} mean dev accuracy, {seconds:.0f} CPU s")
    print(
        f"{result['speedup']:.2f}x faster, accuracy {result['difference']:+.4f} "
        f"(standard error {result['standard_error']:.4f})"
    )
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    main()
