"""Train a language model on a text, score it on text held back, and let it go on from a beginning.

    python examples/text_generation.py --output build/example-writer
    python examples/text_generation.py --data $KERASTX_DATA/tinyshakespeare/input.txt --vocabulary characters \
        --vocabulary-size 300 --max-length 128 --steps 2000 --prompt "ROMEO:" --output build/example-shakespeare
    python examples/text_generation.py --data $KERASTX_DATA/zh_poetry/*.json --vocabulary characters \
        --vocabulary-size 5000 --documents blank --prompt "春" --output build/example-poems

Without --data the text is the documentation that comes with every Python. A vocabulary of characters suits a megabyte
of text, byte_bpe more. A .json file is a list of poems, with "paragraphs" and perhaps a "title". Held back is a
document of a hundred, or the last tenth of each where there are few.
For runs of hours there is `kerastx pretrain --preset llama-mini`, with checkpoints and exact resume.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import keras

import kerastx
from kerastx import writing

HELD_OUT_BATCHES = 20


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", help="text files or folders")
    parser.add_argument("--documents", default="file", choices=("file", "blank", "heading"))
    parser.add_argument("--vocabulary", default="byte_bpe", choices=("byte_bpe", "characters"))
    parser.add_argument("--vocabulary-size", type=int, default=4000)
    parser.add_argument("--preset", default="llama-mini", help="gpt2-SIZE or llama-SIZE")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128, help="tokens of a row, and of what the model remembers")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prompt", action="append", help="a beginning to go on from; repeat for more")
    parser.add_argument("--output", type=Path, required=True, help="folder of store/ and checkpoint/")
    return parser.parse_args(arguments)


def plain_text(file: Path, folder: Path) -> Path:
    """Return a text file; of poems, a list of JSON objects, one in `folder` with blank lines between them."""
    if file.suffix != ".json":
        return file
    poems = json.loads(file.read_text(encoding="utf-8"))
    texts = ["\n".join([poem.get("title", ""), *poem["paragraphs"]]).strip() for poem in poems]
    target = folder / f"{file.stem}.txt"
    target.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return target


def token_store(options: argparse.Namespace):
    """Return the token store of the data, made once; it holds line ends and blanks too."""
    if (options.output / "store").exists():
        return kerastx.open_store(options.output / "store")
    if options.data:
        files = [plain_text(file, options.output) for file in options.data]
    else:
        files = [options.output / "python-docs.txt"]
        kerastx.write_python_docs(files[0])
    return kerastx.prepare(
        files,
        options.output / "store",
        kind=options.vocabulary,
        vocabulary_size=options.vocabulary_size,
        documents=options.documents,
    )


def main(arguments: list[str] | None = None) -> float:
    """Train, save, write, and return the perplexity of a token of the text that was held back."""
    options = parse_arguments(arguments)
    keras.utils.set_random_seed(options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    store = token_store(options)
    print(f"{store.num_tokens:,} tokens of {store.tokenizer.vocabulary_size:,}")

    config = writing.LanguageModelConfig.preset(
        options.preset, vocabulary_size=store.tokenizer.vocabulary_size, max_sequence_length=options.max_length
    )
    model = writing.LanguageModel(config)
    rows = {"seed": options.seed, "batch_size": options.batch_size, "max_length": options.max_length}
    model.compile(
        optimizer=kerastx.adamw(options.learning_rate, total_steps=options.steps),
        loss=writing.generation_losses(),
        weighted_metrics=writing.generation_metrics(),
        jit_compile=False,
    )
    # The batches never end: an epoch is as long as we say.
    batches = writing.next_token_dataset(store, **rows)
    model.fit(batches, steps_per_epoch=options.steps, epochs=1, shuffle=False)
    held_out = writing.next_token_dataset(store, split="validation", **rows).take(HELD_OUT_BATCHES)
    perplexity = model.evaluate(held_out, return_dict=True, verbose=0)["perplexity"]
    print(f"held out: perplexity {perplexity:.3f}, {math.log(perplexity):.3f} nats; by frequencies alone "
          f"{store.unigram_entropy:.3f} nats")  # fmt: skip

    checkpoint = kerastx.Checkpoint(
        model=model, tokenizer=store.tokenizer, config=config, task="language_model", max_length=options.max_length
    )
    kerastx.save_checkpoint(options.output / "checkpoint", checkpoint, force=True)
    for prompt in options.prompt or ["The "]:
        # Drawn, not the most probable: that soon repeats itself.
        written = checkpoint.generate(prompt, temperature=0.8, top_p=0.95, seed=options.seed)
        print(f"\n{prompt}{written.text}")

    # Files that write without TensorFlow: `kerastx generate FILE "A text"`
    report = kerastx.export(checkpoint, options.output / "export", force=True)
    print(f"\n{report.summary()}")
    prompt = (options.prompt or ["The "])[0]
    print(f"{report.paths[0].name}: {prompt}{kerastx.load(report.paths[0]).generate(prompt).text}")
    return perplexity


if __name__ == "__main__":
    main()
