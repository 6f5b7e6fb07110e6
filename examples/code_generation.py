"""Train a model that writes Python for what it is told, score what it wrote, and run the tests where there are some.

    python examples/code_generation.py --output build/example-programmer
    python examples/code_generation.py --data $KERASTX_DATA/conala/conala-train.json --output build/example-conala
    python examples/code_generation.py --data $KERASTX_DATA/mbpp/mbpp_prompt_val_train.jsonl --epochs 40 \
        --output build/example-mbpp

Without --data it learns from Python's own library: signature and docstring of a function -> its body. No function it
is scored on is from a file that it has learnt from, or almost the same as one there. Of CoNaLa every tenth question is
scored, of MBPP the official validation part; there a test says in the task what the function is to be called.
A program exactly matches where its syntax tree is that of the wanted one: blanks, quotes and comments do not count.
MBPP's tests are run in a process without network, files to write and much memory: see `kerastx.writing.run_tests`.
"""

from __future__ import annotations

import argparse
import ast
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras

import kerastx
from kerastx import writing

HELD_OUT = 10  # every tenth question of CoNaLa
MBPP_VALIDATION = range(511, 601)  # by task_id


class Task(NamedTuple):
    """What is to be programmed, a program that does it, and its tests where there are some."""

    text: str
    program: str
    tests: Sequence[str] = ()
    setup: str = ""
    is_dev: bool = False


def python_tasks(folder: Path) -> list[Task]:
    train, dev = map(writing.read_text_pairs, writing.write_python_programs(folder))
    rows = [(*row, False) for row in zip(train.sources, train.targets, strict=True)]
    rows += [(*row, True) for row in zip(dev.sources, dev.targets, strict=True)]
    return [Task(text, program, is_dev=is_dev) for text, program, is_dev in rows]


def conala_tasks(rows: list[dict]) -> list[Task]:
    """Return a task for each snippet; those of a question are all trained on or all scored."""
    places = {question: place for place, question in enumerate(dict.fromkeys(row["question_id"] for row in rows))}
    return [
        Task(
            row["rewritten_intent"] or row["intent"],
            row["snippet"].strip(),
            is_dev=places[row["question_id"]] % HELD_OUT == 0,
        )
        for row in rows
    ]


def mbpp_tasks(rows: list[dict]) -> list[Task]:
    return [
        Task(
            f"{row['text']}\n{row['test_list'][0]}",
            row["code"].replace("\r\n", "\n").strip(),
            row["test_list"],
            row["test_setup_code"],
            is_dev=row["task_id"] in MBPP_VALIDATION,
        )
        for row in rows
    ]


def read_tasks(options: argparse.Namespace) -> list[Task]:
    if options.data is None:
        return python_tasks(options.output / "data")
    content = options.data.read_text(encoding="utf-8")
    if content.lstrip().startswith("["):
        return conala_tasks(json.loads(content))
    return mbpp_tasks([json.loads(line) for line in content.splitlines() if line.strip()])


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the .json of CoNaLa or the .jsonl of MBPP [Python's library]")
    parser.add_argument("--preset", default="transformer-tiny", help="transformer-SIZE or t5-SIZE")
    parser.add_argument("--vocabulary-size", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--max-length", type=int, default=160, help="tokens kept of a text and of a program")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--dropout-rate", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help="folder of data/ and checkpoint/")
    return parser.parse_args(arguments)


def tree_of(program: str) -> str:
    """Return the syntax tree of a program or of a function's body; "" where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            return ast.unparse(ast.parse(program))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def passed(programs: list[str], tasks: list[Task]) -> int:
    """Return how many programs pass the tests of their tasks."""
    runs = [
        writing.run_tests(program, task.tests, setup=task.setup) for program, task in zip(programs, tasks, strict=True)
    ]
    return sum(run.passed for run in runs)


def score(written: list[str], tasks: list[Task]) -> dict[str, float]:
    """Print and return the scores of what was written, in percent; BLEU counts pieces of the text, right or not."""
    programs = [task.program for task in tasks]
    trees = [(tree_of(text), tree_of(program)) for text, program in zip(written, programs, strict=True)]
    scores = {
        "parses": 100 * sum(bool(found) for found, _ in trees) / len(trees),
        "exact match": 100 * sum(found == wanted != "" for found, wanted in trees) / len(trees),
        "BLEU": writing.corpus_bleu(written, programs),
    }
    if tasks[0].tests:
        print(f"the tests pass {passed(programs, tasks)} of {len(tasks)} programs of the data set itself")
        scores["tests passed"] = 100 * passed(written, tasks) / len(tasks)
    shown = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
    print(f"of {len(tasks):,} programs that were not trained on: {shown}")
    return scores


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train, save, and return the scores of what is written for the dev tasks."""
    options = parse_arguments(arguments)
    keras.utils.set_random_seed(options.seed)
    tasks = read_tasks(options)
    train, dev = ([task for task in tasks if task.is_dev == is_dev] for is_dev in (False, True))
    print(f"{len(train):,} programs to learn from")
    pairs = writing.TextPairs([task.text for task in train], [task.program for task in train])
    tokenizer = kerastx.Tokenizer.train(
        [*pairs.sources, *pairs.targets], vocabulary_size=options.vocabulary_size, kind="byte_bpe"
    )
    sizes = {"batch_tokens": options.batch_tokens, "max_length": options.max_length, "seed": options.seed}
    batches = writing.TextPairBatches(pairs, tokenizer, **sizes)
    config = writing.Seq2SeqConfig.preset(
        options.preset,
        vocabulary_size=tokenizer.vocabulary_size,
        max_sequence_length=options.max_length,
        norm="pre-norm",
        dropout_rate=options.dropout_rate,
    )
    model = writing.Seq2Seq(config)
    model.compile(
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

    written = [one.text for one in checkpoint.generate([task.text for task in dev])]
    for text, task in list(zip(written, dev, strict=True))[:3]:
        print(f"\n{task.text}\n--- written:\n{text}\n--- should be:\n{task.program}")
    report = kerastx.export(checkpoint, options.output / "export", force=True)
    print(f"{report.summary()}\n{kerastx.load(report.paths[0]).generate(dev[0].text).text}")
    return score(written, dev)


if __name__ == "__main__":
    main()
