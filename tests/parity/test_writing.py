"""The same logits, the same settings, the same texts as `transformers`: one token at a time, and with beams."""

from __future__ import annotations

import numpy as np
import pytest

from kerastx.runtime.decoding import Beginning, GeneratedText, Language
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.sampling import keep_min_p, keep_top_k, keep_top_p
from kerastx.runtime.writing import write

torch = pytest.importorskip("torch", reason="torch is not installed; make test-parity installs it")
transformers = pytest.importorskip("transformers", reason="transformers is not installed; make test-parity installs it")

VOCABULARY_SIZE, LONGEST = 23, 8


class WholeRows:
    """A decoder that runs a language model of `transformers` on all tokens of its rows again."""

    def __init__(self, model, prompts):
        self.model = model
        self.rows = [list(prompt) for prompt in prompts]

    def begin(self):
        longest = max(map(len, self.rows))
        padded = torch.tensor([row + [0] * (longest - len(row)) for row in self.rows])
        with torch.no_grad():
            logits = self.model(padded).logits.numpy()
        return np.stack([logits[number, len(row) - 1] for number, row in enumerate(self.rows)])

    def go_on(self, token_ids, rows):
        self.rows = [[*self.rows[row], token] for token, row in zip(token_ids.tolist(), rows.tolist(), strict=True)]
        return self.begin()


def language_model(seed: int):
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY_SIZE, n_positions=32, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5
    )
    return transformers.GPT2LMHeadModel(config).eval()


def ours(model, prompts, settings: GenerationSettings, *, end: int) -> list[list[int]]:
    language = Language(decode=lambda ids: " ".join(map(str, ids)), end_ids=(end,))
    beginnings = [Beginning(token_ids=tuple(prompt), max_new_tokens=LONGEST) for prompt in prompts]
    written = write(WholeRows(model, prompts), beginnings, language, settings)
    results = {row: what for row, what in written if isinstance(what, GeneratedText)}
    return [list(results[row].token_ids) for row in range(len(prompts))]


def theirs(model, prompt, *, end: int | None, **options) -> list[int]:
    found = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones((1, len(prompt)), dtype=torch.long),
        max_new_tokens=LONGEST,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=0,
        **options,
    )[0, len(prompt) :].tolist()
    return found[: found.index(end) + 1] if end in found else found


SETTINGS = [
    {},
    {"repetition_penalty": 1.7},
    {"no_repeat_ngram": 2},
    {"min_new_tokens": 6},
    {"num_beams": 3},
    {"num_beams": 4, "length_penalty": 0.0},
    {"num_beams": 4, "length_penalty": 2.0},
    {"num_beams": 4, "length_penalty": -1.0},
    {"num_beams": 4, "early_stopping": True},
    {"num_beams": 3, "repetition_penalty": 1.3, "no_repeat_ngram": 3, "min_new_tokens": 4},
    {"num_beams": 20, "length_penalty": 1.5},
]


@pytest.mark.parametrize("options", SETTINGS, ids=lambda options: "-".join(options) or "greedy")
def test_the_same_texts(options):
    renamed = {"no_repeat_ngram": "no_repeat_ngram_size"}
    ended = 0
    for seed in range(2):
        model, random = language_model(seed), np.random.default_rng(seed)
        prompts = [random.integers(0, VOCABULARY_SIZE, length).tolist() for length in (3, 5)]
        end = theirs(model, prompts[0], end=None)[3]  # what is written otherwise is where texts end
        expected = [
            theirs(model, prompt, end=end, **{renamed.get(name, name): value for name, value in options.items()})
            for prompt in prompts
        ]
        assert ours(model, prompts, GenerationSettings(**options), end=end) == expected
        ended += sum(end in text for text in expected)
    assert ended


@pytest.mark.parametrize("seed", range(10))
def test_the_same_tokens_to_draw_from(seed):
    scores = np.random.default_rng(seed).normal(size=50) * 3
    tensor = torch.tensor(scores)[None]
    for function, warper, values in (
        (keep_top_k, transformers.TopKLogitsWarper, (1, 7, 50)),
        (keep_top_p, transformers.TopPLogitsWarper, (0.2, 0.9, 0.999)),
        (keep_min_p, transformers.MinPLogitsWarper, (0.01, 0.3)),
    ):
        for value in values:
            np.testing.assert_array_equal(function(scores, value), warper(value)(None, tensor)[0].numpy())
