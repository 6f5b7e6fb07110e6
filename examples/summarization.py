"""Train a model that writes summaries, or titles, score it beside what anybody can do without one, and let it write.

    python examples/summarization.py --output build/example-summarizer
    python examples/summarization.py --train $KERASTX_DATA/aeslc/aeslc_train.jsonl \
        --dev $KERASTX_DATA/aeslc/aeslc_dev.jsonl --epochs 3 --output build/example-subjects
    python examples/summarization.py --train $KERASTX_DATA/zh_csl_title/dev.tsv --columns 1 2 --epochs 10 \
        --output build/example-zh-titles

Without --train the texts are docstrings of Python's own library, and their first paragraphs the summaries. Files are
tables or JSONL, as AESLC, SciTLDR and DialogSum are published; where a row has several summaries the first is trained
on, and the best counts. Without --dev a tenth of the rows is scored and not trained on.
For runs of hours there is `kerastx finetune summarize`, with checkpoints and exact resume.
"""

from __future__ import annotations

import argparse
import re
import statistics
from pathlib import Path

import keras

import kerastx
from kerastx import writing

HELD_OUT = 10  # every tenth row
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])")


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, help="texts and summaries: .jsonl, .tsv or .csv")
    parser.add_argument("--dev", type=Path, help="the same, to score on [a tenth of --train]")
    parser.add_argument("--columns", nargs=2, metavar=("TEXT", "SUMMARY"), help="names or numbers [found by name]")
    parser.add_argument("--score", type=int, default=500, help="the first so many rows of --dev")
    parser.add_argument("--from", dest="start", type=Path, help="checkpoint of a seq2seq model to go on from")
    parser.add_argument("--preset", default="transformer-tiny", help="transformer-SIZE or t5-SIZE")
    parser.add_argument("--vocabulary-size", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--max-length", type=int, default=128, help="tokens kept of a text")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--dropout-rate", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help="folder of data/ and checkpoint/")
    options = parser.parse_args(arguments)
    if options.train is None and (options.dev or options.columns):
        parser.error("--dev and --columns belong to --train")
    return options


def read_pairs(options: argparse.Namespace):
    """Return pairs to learn from and pairs to score on."""
    source, target = options.columns or (None, None)
    train_file, dev_file = options.train, options.dev
    if train_file is None:
        train_file, dev_file = writing.write_python_summaries(options.output / "data")
    train = writing.read_text_pairs(train_file, source_column=source, target_column=target)
    if dev_file is None:
        held_out = range(0, len(train), HELD_OUT)
        return train.subset(sorted(set(range(len(train))) - set(held_out))), train.subset(held_out)
    return train, writing.read_text_pairs(dev_file, source_column=source, target_column=target)


def initial_checkpoint(options: argparse.Namespace, texts: list[str]):
    """Return the model to train and its tokenizer: a new one, with a vocabulary of these texts, or that of --from."""
    if options.start:
        return kerastx.load(options.start)
    tokenizer = kerastx.Tokenizer.train(texts, vocabulary_size=options.vocabulary_size, kind="byte_bpe")
    config = writing.Seq2SeqConfig.preset(
        options.preset,
        vocabulary_size=tokenizer.vocabulary_size,
        max_sequence_length=options.max_length,
        norm="pre-norm",
        dropout_rate=options.dropout_rate,
    )
    return kerastx.Checkpoint(
        model=writing.Seq2Seq(config),
        tokenizer=tokenizer,
        config=config,
        task="seq2seq",
        max_length=options.max_length,
    )


def words(text: str) -> list[str]:
    """Return the words of a text; of Chinese, which has no blanks, the characters."""
    return text.split() if " " in text else list(text)


def leads(sources: list[str], summaries: list[str]) -> dict[str, list[str]]:
    """Return what needs no model: the first sentence, and as many first words as a summary has in the median."""
    count = round(statistics.median(len(words(summary)) for summary in summaries))
    return {
        "first sentence": [SENTENCE_END.split(source)[0] for source in sources],
        f"first {count} words": [(" " if " " in text else "").join(words(text)[:count]) for text in sources],
    }


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train, save, and return ROUGE-1, 2 and L of the summaries of the dev texts."""
    options = parse_arguments(arguments)
    keras.utils.set_random_seed(options.seed)
    train, dev = read_pairs(options)
    dev = dev.subset(range(min(options.score, len(dev))))
    checkpoint = initial_checkpoint(options, [*train.sources, *train.targets])
    batches = writing.TextPairBatches(
        train,
        checkpoint.tokenizer,
        batch_tokens=options.batch_tokens,
        max_length=checkpoint.max_length,
        seed=options.seed,
    )
    checkpoint.model.compile(
        # The model ends as the mean of its last weights, over about one update in twenty.
        optimizer=kerastx.adamw(options.learning_rate, options.epochs * batches.per_epoch, average=0.95),
        loss=writing.generation_losses(label_smoothing=0.1),
        weighted_metrics=writing.generation_metrics(),
        jit_compile=False,
    )
    print(f"{len(train):,} texts to learn from")
    checkpoint.model.fit(batches.dataset(), steps_per_epoch=batches.per_epoch, epochs=options.epochs, shuffle=False)
    kerastx.save_checkpoint(options.output / "checkpoint", checkpoint, force=True)

    written = [one.text for one in checkpoint.generate(dev.sources, max_new_tokens=options.max_length // 2)]
    for source, text, references in list(zip(dev.sources, written, dev.references, strict=True))[:3]:
        print(f"\n{source[:300]}\n  -> {text}\n  should be: {' | '.join(references)}")
    print(f"\nROUGE-1, 2 and L for {len(dev):,} texts that were not trained on:")
    scores = {}
    for name, texts in {"the model": written, **leads(dev.sources, train.targets)}.items():
        scores[name] = writing.rouge(texts, dev.references)
        print(f"{name:>16}" + "".join(f"{score:8.2f}" for score in scores[name].values()))

    # Files that summarize without TensorFlow: `kerastx summarize FILE < texts.txt`
    report = kerastx.export(checkpoint, options.output / "export", force=True)
    print(report.summary())
    print(f"{report.paths[0].name}: {kerastx.load(report.paths[0]).generate(dev.sources[0]).text}")
    return scores["the model"]


if __name__ == "__main__":
    main()
