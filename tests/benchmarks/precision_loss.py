"""What bfloat16 costs: the same pretraining in float32 and in bfloat16, seed by seed.

    python tests/benchmarks/precision_loss.py --data build/store --steps 300

The two take turns and see the same batches; what is compared is the masked-LM loss on held-out documents.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

from kerastx.cli.pretrain_request import PretrainRequest
from kerastx.cli.pretrain_run import run_pretraining

PRECISIONS = ("float32", "bfloat16")


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="token store")
    parser.add_argument("--preset", default="mini")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    return parser.parse_args(arguments)


def runs(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Return loss and CPU seconds of every precision and seed."""
    found: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
    for seed in range(1, options.seeds + 1):
        for precision in PRECISIONS[:: -1 if seed % 2 else 1]:
            with tempfile.TemporaryDirectory() as folder:
                start = time.process_time()
                logs = run_pretraining(
                    PretrainRequest(
                        data=options.data,
                        output=Path(folder) / "run",
                        preset=options.preset,
                        steps=options.steps,
                        batch_size=options.batch_size,
                        max_length=options.max_length,
                        precision=precision,
                        save_every=options.steps,
                        seed=seed,
                    )
                )
            values = {"loss": logs["val_masked_lm_loss"], "cpu_seconds": time.process_time() - start}
            found[precision].append(values)
            print(f"seed {seed}, {precision}: {values['loss']:.4f}, {values['cpu_seconds']:.0f} s", file=sys.stderr)
    return found


def compare(found: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """Return by how much bfloat16's loss is higher, its standard error over seeds, and what seeds alone change."""
    losses = {precision: [row["loss"] for row in rows] for precision, rows in found.items()}
    differences = [second - first for first, second in zip(losses["float32"], losses["bfloat16"], strict=True)]
    return {
        "difference": statistics.mean(differences),
        "standard_error": statistics.stdev(differences) / math.sqrt(len(differences)),
        "between_seeds": statistics.stdev(losses["float32"]),
        "speedup": statistics.median(
            first["cpu_seconds"] / second["cpu_seconds"]
            for first, second in zip(found["float32"], found["bfloat16"], strict=True)
        ),
    }


def main(arguments: list[str] | None = None) -> dict:
    """Train, print the comparison, and return the numbers."""
    options = parse_arguments(arguments)
    found = runs(options)
    result = {"runs": found, **compare(found)}
    for precision, rows in found.items():
        print(f"{precision:<10}{statistics.mean(row['loss'] for row in rows):.4f} nats held out")
    print(
        f"bfloat16 {result['difference']:+.4f} nats (standard error {result['standard_error']:.4f}; seeds differ by "
        f"{result['between_seeds']:.4f}), {result['speedup']:.2f}x less CPU time"
    )
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    main()
