"""Train a translator on pairs of sentences, score it, and export it to files that translate.

    python examples/translation.py --output build/example-translator
    python examples/translation.py --train $KERASTX_DATA/multi30k/train.{en,de}.gz \
        --dev $KERASTX_DATA/multi30k/val.{en,de}.gz --preset transformer-mini --vocabulary-size 8000 \
        --batch-tokens 2560 --learning-rate 1.2e-3 --dropout-rate 0.25 --epochs 18 --output build/example-en-de

Without --train the sentences are made by a small grammar: nouns of three genders, adjectives that agree with them, a
word order that changes; no sentence to score on is one to learn from. --train and --dev take a TSV, CSV or JSONL file
with the columns source and target, or two files whose lines belong together.
For runs of hours there is `kerastx finetune translate`, with checkpoints and exact resume.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import keras

import kerastx
from kerastx import writing

# English noun; German noun and gender.
NOUNS = {
    "dog": ("Hund", "m"),
    "man": ("Mann", "m"),
    "bird": ("Vogel", "m"),
    "cat": ("Katze", "f"),
    "woman": ("Frau", "f"),
    "duck": ("Ente", "f"),
    "child": ("Kind", "n"),
    "horse": ("Pferd", "n"),
    "girl": ("Mädchen", "n"),
}
ADJECTIVES = {"small": "klein", "old": "alt", "tired": "müd", "clever": "klug", "quiet": "still"}
VERBS = {"sees": "sieht", "likes": "mag", "finds": "findet", "follows": "verfolgt", "draws": "zeichnet"}
TIMES = {"today": "heute", "now": "jetzt", "tomorrow": "morgen", "often": "oft"}
# Article by gender; an adjective behind it ends in -e, but for -en in the accusative of masculine nouns.
NOMINATIVE = {"m": "der", "f": "die", "n": "das"}
ACCUSATIVE = {"m": "den", "f": "die", "n": "das"}


def noun_phrase(draw: random.Random, articles: dict[str, str]) -> tuple[str, str]:
    """Return a noun with its article and perhaps an adjective, in both languages."""
    english, (german, gender) = draw.choice(list(NOUNS.items()))
    adjective = draw.choice([*ADJECTIVES, ""])
    if not adjective:
        return f"the {english}", f"{articles[gender]} {german}"
    ending = "en" if articles[gender] == "den" else "e"
    return f"the {adjective} {english}", f"{articles[gender]} {ADJECTIVES[adjective]}{ending} {german}"


def sentence(draw: random.Random) -> tuple[str, str]:
    """Return a sentence in both languages; a time at its beginning moves the German verb before the subject."""
    subject, object_ = noun_phrase(draw, NOMINATIVE), noun_phrase(draw, ACCUSATIVE)
    verb, time = draw.choice(list(VERBS.items())), draw.choice([*TIMES.items(), ("", "")])
    if time[0]:
        english = f"{time[0]} {subject[0]} {verb[0]} {object_[0]}."
        german = f"{time[1]} {verb[1]} {subject[1]} {object_[1]}."
    else:
        english = f"{subject[0]} {verb[0]} {object_[0]}."
        german = f"{subject[1]} {verb[1]} {object_[1]}."
    return english[0].upper() + english[1:], german[0].upper() + german[1:]


def made_pairs(count: int, seed: int):
    """Return pairs to learn from and pairs to score on, all different."""
    draw = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < count + count // 10:
        found.setdefault(*sentence(draw))
    pairs = writing.TextPairs(list(found), list(found.values()))
    return pairs.subset(range(count)), pairs.subset(range(count, len(pairs)))


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", nargs="+", type=Path, help="a table, or a file of sources and one of targets")
    parser.add_argument("--dev", nargs="+", type=Path, help="the same, to score on; needed with --train")
    parser.add_argument("--pairs", type=int, default=4000, help="of the grammar, to learn from")
    parser.add_argument("--preset", default="transformer-tiny", help="transformer-SIZE or t5-SIZE")
    parser.add_argument("--vocabulary-size", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-tokens", type=int, default=1024)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--dropout-rate", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoint")
    options = parser.parse_args(arguments)
    if (options.train is None) != (options.dev is None):
        parser.error("--train and --dev belong together")
    return options


def main(arguments: list[str] | None = None) -> float:
    """Train, save, and return BLEU of the translations of the dev sources."""
    options = parse_arguments(arguments)
    keras.utils.set_random_seed(options.seed)
    if options.train:
        train, dev = writing.read_text_pairs(*options.train), writing.read_text_pairs(*options.dev)
    else:
        train, dev = made_pairs(options.pairs, options.seed)

    # One vocabulary for both languages: names and numbers stand in both.
    texts = [*train.sources, *train.targets]
    tokenizer = kerastx.Tokenizer.train(texts, vocabulary_size=options.vocabulary_size, kind="byte_bpe")
    sizes = {"batch_tokens": options.batch_tokens, "max_length": options.max_length, "seed": options.seed}
    batches = writing.TextPairBatches(train, tokenizer, **sizes)
    config = writing.Seq2SeqConfig.preset(
        options.preset,
        vocabulary_size=tokenizer.vocabulary_size,
        max_sequence_length=options.max_length,
        norm="pre-norm",
        dropout_rate=options.dropout_rate,
    )
    model = writing.Seq2Seq(config)
    model.compile(
        # The model ends as the mean of its last weights, over about one update in twenty.
        optimizer=kerastx.adamw(options.learning_rate, options.epochs * batches.per_epoch, average=0.95),
        loss=writing.generation_losses(label_smoothing=0.1),
        weighted_metrics=writing.generation_metrics(),
        jit_compile=False,
    )
    model.fit(batches.dataset(), steps_per_epoch=batches.per_epoch, epochs=options.epochs, shuffle=False)

    checkpoint = kerastx.Checkpoint(
        model=model, tokenizer=tokenizer, config=config, task="seq2seq", max_length=options.max_length
    )
    kerastx.save_checkpoint(options.output / "checkpoint", checkpoint, force=True)
    written = [one.text for one in checkpoint.generate(dev.sources)]
    for source, text, target in list(zip(dev.sources, written, dev.targets, strict=True))[:3]:
        print(f"{source}\n  {text}\n  should be: {target}")
    score = writing.corpus_bleu(written, dev.targets)
    chrf = writing.corpus_chrf(written, dev.targets)
    print(f"{len(dev):,} sentences that were not trained on: BLEU {score:.2f}, chrF {chrf:.2f}")

    # Files that translate without TensorFlow, each scored beside Keras: `kerastx translate FILE "A text."`
    report = kerastx.export(checkpoint, options.output / "export", dev=dev, force=True)
    print(report.summary())
    print(f"{report.paths[0].name}: {kerastx.load(report.paths[0]).generate(dev.sources[0]).text}")
    return score


if __name__ == "__main__":
    main()
