"""transformers itself loads what we write, and we load what it writes: run by `make test-parity`, which installs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kerastx.checkpoint.huggingface import load_huggingface, save_huggingface
from kerastx.checkpoint.store import Checkpoint, build_model
from kerastx.models.config import EncoderConfig
from kerastx.text.huggingface_files import read_huggingface_tokenizer
from kerastx_export.probe_texts import ODD_TEXTS

torch = pytest.importorskip("torch", reason="torch is not installed; make test-parity installs it")
transformers = pytest.importorskip("transformers", reason="transformers is not installed; make test-parity installs it")

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
sys.path.insert(0, str(GOLDEN))
import make  # noqa: E402 - the maker of the golden files, beside them

FORMS = {
    "bert": {},
    "distilbert": {"num_segments": 1, "pooler_activation": "relu", "has_pooler": False},
    "roberta": {"num_segments": 1, "epsilon": 1e-5},
}
CLASSES = {
    "encoder": "AutoModel",
    "masked_lm": "AutoModelForMaskedLM",
    "pretraining": "AutoModelForPreTraining",
    "classification": "AutoModelForSequenceClassification",
    "multi_label": "AutoModelForSequenceClassification",
    "regression": "AutoModelForSequenceClassification",
}
CASES = [(kind, task) for kind in FORMS for task in CLASSES if task != "pretraining" or kind == "bert"]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>")
TEXTS = ["the cat sat", "a", "one long text " * 5, "The Éclair & 42 (naïve)!", "", "我喜欢"]


def random_texts(count):
    """Strings of any characters, most of them of the plane that people write in."""
    random = np.random.default_rng(12)
    codes = [random.integers(32, limit, random.integers(1, 40)) for limit in (0x3000, 0xD800) * (count // 2)]
    return ["".join(map(chr, row)) for row in codes]


def random_checkpoint(kind, task):
    tokenizer = read_huggingface_tokenizer(GOLDEN / f"{kind}-model", segments=kind == "bert")
    config = EncoderConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=24,
        num_layers=3,
        num_heads=2,
        intermediate_dim=40,
        max_sequence_length=32,
        **FORMS[kind],
    )
    labels = ("x", "y", "z") if task in ("classification", "multi_label") else ()
    keras.utils.set_random_seed(5)
    model = build_model(task, config, labels)
    noise = np.random.default_rng(6)
    for variable in model.weights:
        variable.assign(variable.numpy() + noise.normal(0, 0.2, variable.shape))
    return Checkpoint(model=model, tokenizer=tokenizer, config=config, task=task, labels=labels, max_length=32)


def outputs(model, encoded):
    with torch.no_grad():
        found = model(**encoded)
    names = {**make.OUTPUTS, "logits": "logits"}
    return {names[key]: value.numpy() for key, value in found.items() if key in names}


@pytest.mark.parametrize(("kind", "task"), CASES)
def test_transformers_loads_what_we_write(kind, task, tmp_path):
    checkpoint = random_checkpoint(kind, task)
    folder = save_huggingface(tmp_path / "theirs", checkpoint, family=kind)
    model, info = getattr(transformers, CLASSES[task]).from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    encoded = transformers.AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=True, truncation=True, max_length=32, return_tensors="pt"
    )
    expected = outputs(model.eval(), encoded)
    inputs = checkpoint.tokenizer.pad(checkpoint.tokenizer.encode_batch(TEXTS, max_length=32))
    real = inputs["padding_mask"]
    np.testing.assert_array_equal(encoded["input_ids"].numpy()[real], inputs["token_ids"][real])
    if task in ("masked_lm", "pretraining"):
        positions = np.arange(inputs["token_ids"].shape[1], dtype="int32")
        inputs["masked_positions"] = np.tile(positions, (len(TEXTS), 1))
    for name, value in checkpoint.model.predict_on_batch(inputs).items():
        theirs = expected["logits" if name in ("score", "masked_lm") and name not in expected else name]
        at = real if name in ("states", "masked_lm") else slice(None)
        np.testing.assert_allclose(value[at], theirs[at], atol=1e-4, err_msg=name)
    if checkpoint.labels:
        assert tuple(model.config.id2label.values()) == checkpoint.labels


@pytest.mark.parametrize("name", sorted(make.MODELS))
def test_we_load_what_this_version_writes(name, tmp_path):
    """The golden files are of one version of transformers; these are made by the one that is installed."""
    make.make(name, tmp_path)
    arrays = np.load(tmp_path / "golden.npz")
    inputs = {key: arrays[f"input_{key}"] for key in ("token_ids", "segment_ids", "padding_mask")}
    real = inputs["padding_mask"]
    inputs = {"padding_mask": real, **{key: inputs[key].astype("int32") for key in ("token_ids", "segment_ids")}}
    found = load_huggingface(tmp_path, task="encoder").model.predict_on_batch(inputs)["states"]
    np.testing.assert_allclose(found[real], arrays["output_states"][real], atol=1e-4)


@pytest.mark.parametrize("kind", ["bert-model", "distilbert-model", "roberta-model", "electra-discriminator"])
def test_token_ids_of_odd_texts(kind):
    """Texts with a special token in them are left out: transformers reads it as one, kerastx as text."""
    texts = [text for text in (*ODD_TEXTS, *random_texts(200)) if not any(token in text for token in SPECIAL)]
    theirs = transformers.AutoTokenizer.from_pretrained(GOLDEN / kind)
    ours = read_huggingface_tokenizer(GOLDEN / kind, segments=not kind.startswith("distilbert"))
    for first, second in zip(texts, texts[1:] + texts[:1], strict=True):
        assert ours.encode(first).token_ids.tolist() == theirs(first)["input_ids"], first
        if not second:  # transformers takes an empty second text for none
            continue
        pair = ours.encode(first, second, max_length=40)
        assert pair.token_ids.tolist() == theirs(first, second, truncation=True, max_length=40)["input_ids"], first


def test_the_golden_files_say_what_made_them():
    assert set(json.loads((GOLDEN / "versions.json").read_text())) == {"torch", "transformers"}
