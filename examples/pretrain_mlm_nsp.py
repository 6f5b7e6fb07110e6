"""Pretrain a small BERT on masked words and next sentences, with `compile()` and `fit()` in plain sight.

    python examples/pretrain_mlm_nsp.py --output build/example-pretrained                  # Python's own documentation
    python examples/pretrain_mlm_nsp.py --corpus books/ --steps 3000 --output build/example-pretrained  # your own text

For runs of hours there is `kerastx pretrain`: the same model and data, with checkpoints and exact resume.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import keras

import kerastx


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, nargs="+", help="text files or folders [Python's documentation]")
    parser.add_argument("--documents", choices=("blank", "file", "heading"), default="heading")
    parser.add_argument("--vocabulary-size", type=int, default=8000)
    parser.add_argument("--preset", default="mini", choices=("tiny", "mini", "small", "medium", "base"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--dropout-rate", type=float, default=0.0, help="short runs underfit; BERT: 0.1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train, save a checkpoint, and return the last logs."""
    options = parse_arguments(arguments)
    keras.utils.set_random_seed(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        corpus = options.corpus or [kerastx.write_python_docs(folder)]
        store = kerastx.prepare(
            corpus, Path(folder) / "store", vocabulary_size=options.vocabulary_size, documents=options.documents
        )
        config = kerastx.EncoderConfig.preset(
            options.preset, vocabulary_size=store.tokenizer.vocabulary_size, dropout_rate=options.dropout_rate
        )

        # The whole of pretraining: a Keras model, a tf.data dataset, compile and fit.
        model = kerastx.build_pretrainer(config)
        # What counting the corpus tells, put into the weights: the loss starts far below the unigram entropy.
        kerastx.start_from_counts(model, store.token_counts(), store.token_vectors(config.hidden_dim))
        model.compile(
            optimizer=kerastx.adamw(options.learning_rate, total_steps=options.steps),
            loss=kerastx.pretraining_losses(),
            weighted_metrics=kerastx.pretraining_metrics(),
            jit_compile=False,
        )
        batches = kerastx.pretraining_dataset(
            store, seed=options.seed, batch_size=options.batch_size, max_length=options.max_length
        )
        history = model.fit(batches, steps_per_epoch=options.steps, shuffle=False)

        checkpoint = kerastx.Checkpoint(
            model=model,
            tokenizer=store.tokenizer,
            config=config,
            task="pretraining",
            max_length=options.max_length,
        )
        kerastx.save_checkpoint(options.output, checkpoint)
        logs = {name: values[-1] for name, values in history.history.items()}
        print(f"masked-LM loss {logs['masked_lm_loss']:.3f} nats, unigram entropy {store.unigram_entropy:.3f} nats")
    return logs


if __name__ == "__main__":
    main()
