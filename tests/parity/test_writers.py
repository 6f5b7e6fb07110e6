"""What the installed transformers writes, we write: models that write, made here anew, and texts of any characters."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from kerastx.checkpoint.huggingface import load_huggingface
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx_export.probe_texts import ODD_TEXTS

pytest.importorskip("torch", reason="torch is not installed; make test-parity installs it")
transformers = pytest.importorskip("transformers", reason="transformers is not installed; make test-parity installs it")

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
sys.path.insert(0, str(GOLDEN))
import make_writers  # noqa: E402 - the maker of the golden files, beside them

NAMES = [name for name in make_writers.MODELS if not name.startswith("marian")]
# T5's words are cut at every blank of Unicode there; the others keep texts as they are.
SPECIAL = ("<s>", "</s>", "<pad>", "<unk>", "<mask>", "<|", "<extra_id")


def random_texts(count):
    random = np.random.default_rng(12)
    codes = [random.integers(32, limit, random.integers(1, 40)) for limit in (0x3000, 0xD800) * (count // 2)]
    return ["".join(map(chr, row)) for row in codes]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_logits_and_texts(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    make_writers.make(name, folder)
    checkpoint = load_huggingface(folder)
    arrays = dict(np.load(folder / "writing.npz"))
    expected = arrays.pop("logits")
    inputs = {key: array.astype("bool" if key.endswith("mask") else "int32") for key, array in arrays.items()}
    mask = inputs.get("padding_mask", inputs.get("target_padding_mask"))
    np.testing.assert_allclose(checkpoint.model.predict_on_batch(inputs)["logits"][mask], expected[mask], atol=1e-4)
    values = json.loads((folder / "writing.json").read_text(encoding="utf-8"))
    begun = len(checkpoint.tokenizer.begin_ids) - 1
    for key, num_beams in (("greedy", 1), ("beams", 4)):
        settings = GenerationSettings(num_beams=num_beams, max_new_tokens=make_writers.NEW_TOKENS - begun)
        found = checkpoint.generate(values["prompts"], settings=settings)
        assert [list(one.token_ids) for one in found] == [row[begun:] for row in values[key]]


@pytest.mark.parametrize("name", NAMES)
def test_token_ids_of_odd_texts(name):
    """Texts with a special token in them are left out: transformers reads it as one, kerastx as text."""
    theirs = transformers.AutoTokenizer.from_pretrained(GOLDEN / "writers" / name)
    ours = load_huggingface(GOLDEN / "writers" / name).tokenizer
    for text in (*ODD_TEXTS, *random_texts(300)):
        if not any(token in text for token in SPECIAL):
            ids = theirs(text)["input_ids"]
            assert ours.encode(text).token_ids.tolist() == ids, text
            plain = [number for number in ids if number not in theirs.all_special_ids]
            assert ours.decode(plain) == theirs.decode(plain, clean_up_tokenization_spaces=False), text
