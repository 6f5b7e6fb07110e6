"""What a batch was made of, when training on it went wrong."""

from __future__ import annotations

from pathlib import Path

from kerastx.checkpoint.store import write_json
from kerastx.data.next_token_rows import next_token_batch
from kerastx.data.sentence_pairs import pair_batch
from kerastx.data.store import TokenStore

FILE = "not_finite.json"
FIRST_TOKENS = 30
NAMED = 8


def explain_batch(store: TokenStore, output: Path, batch: int, *, seed: int, batch_size: int, max_length: int) -> str:
    """Name the documents of a batch; all of them, with their first words, go into a file of the run."""
    pairs = pair_batch(store, seed, batch, batch_size=batch_size, max_length=max_length)
    numbers = sorted({int(number) for number in pairs["documents"].flat})
    write_json(
        output / FILE,
        {
            "batch": batch,
            "store": str(store.path),
            "documents": {number: first_words(store, number) for number in numbers},
        },
    )
    named = ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")
    return f", in a batch of documents {named} of {store.path} (all of them: {output / FILE})"


def explain_rows(store: TokenStore, output: Path, batch: int, *, seed: int, batch_size: int, max_length: int) -> str:
    """Write the texts of a batch of running text into a file of the run, and name it."""
    rows = next_token_batch(store, seed, batch, batch_size=batch_size, max_length=max_length)["labels"]
    texts = [store.tokenizer.decode(row.tolist()) for row in rows]
    write_json(output / FILE, {"batch": batch, "store": str(store.path), "rows": texts})
    return f", in a batch of the texts in {output / FILE}"


def first_words(store: TokenStore, document: int) -> str:
    """Return how a document begins."""
    begin, end = (int(store.sentences[sentence]) for sentence in store.documents[document : document + 2])
    return store.tokenizer.decode(store.tokens[begin : min(end, begin + FIRST_TOKENS)].tolist())
