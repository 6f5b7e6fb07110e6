"""Models of transformers: the same numbers here, the same arrays on the way back, and nothing lost on either."""

from __future__ import annotations

import json

import numpy as np
import pytest
from golden_models import FOLDERS, GOLDEN, copy, golden, reconfigure, rewrite
from safetensors.numpy import load_file, save_file

from kerastx.checkpoint.huggingface import is_huggingface, load_huggingface, save_huggingface
from kerastx.checkpoint.store import load_checkpoint, save_checkpoint
from kerastx.errors import CheckpointError

# Written by `save_huggingface` too.
BOTH_WAYS = [
    name
    for name in FOLDERS
    if name.startswith(("bert", "distilbert", "roberta")) and not name.endswith(("padding-0", "-tagger"))
]
TASKS = {
    "model": "encoder",
    "padding-0": "encoder",
    "discriminator": "encoder",
    "masked-lm": "masked_lm",
    "pretraining": "pretraining",
    "classifier": "classification",
    "regression": "regression",
    "multi-label": "multi_label",
}
# The heads at every token have tests of their own.
OF_TEXTS = [name for name in FOLDERS if not name.endswith(("-tagger", "-questions"))]


def answers(checkpoint, inputs):
    """Every output of the model; masked words and next sentence are asked for at all positions."""
    if checkpoint.task in ("masked_lm", "pretraining"):
        positions = np.tile(np.arange(inputs["token_ids"].shape[1], dtype="int32"), (len(inputs["token_ids"]), 1))
        inputs = {**inputs, "masked_positions": positions}
    return checkpoint.model.predict_on_batch(inputs)


@pytest.mark.parametrize("name", OF_TEXTS)
def test_a_model_answers_as_in_transformers(name):
    inputs, expected = golden(name)
    checkpoint = load_huggingface(GOLDEN / name)
    assert checkpoint.task == TASKS[name.partition("-")[2]]
    real = inputs["padding_mask"]
    found = answers(checkpoint, inputs)
    found = {"logits" if key == "score" else key: value for key, value in found.items()}
    assert found
    assert set(found) <= set(expected)
    for key, value in found.items():
        # Nobody reads the states of padding; transformers lets them attend as it likes.
        at = real if key in ("states", "masked_lm") else slice(None)
        np.testing.assert_allclose(value[at], expected[key][at], atol=1e-4, err_msg=key)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_bare_encoder_of_every_model_has_its_states(name):
    inputs, expected = golden(name)
    checkpoint = load_huggingface(GOLDEN / name, task="encoder")
    found = checkpoint.model.predict_on_batch(inputs)["states"]
    real = inputs["padding_mask"]
    np.testing.assert_allclose(found[real], expected["states"][real], atol=1e-4)


@pytest.mark.parametrize("name", ["bert-classifier", "albert-masked-lm", "roberta-masked-lm", "electra-discriminator"])
def test_our_own_checkpoint_of_it_answers_the_same(name, tmp_path):
    inputs, _ = golden(name)
    checkpoint = load_huggingface(GOLDEN / name)
    again = load_checkpoint(save_checkpoint(tmp_path / "ours", checkpoint))
    assert (again.task, again.labels, again.config) == (checkpoint.task, checkpoint.labels, checkpoint.config)
    for key, value in answers(checkpoint, inputs).items():
        np.testing.assert_array_equal(answers(again, inputs)[key], value)


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_the_way_back_gives_the_same_arrays(name, tmp_path):
    checkpoint = load_huggingface(GOLDEN / name)
    folder = save_huggingface(tmp_path / "theirs", checkpoint, family=name.partition("-")[0])
    expected, found = (load_file(path / "model.safetensors") for path in (GOLDEN / name, folder))
    assert set(found) == set(expected)
    for key, array in expected.items():
        # The rows before the first position, which RoBERTa never reads, come back as zeros.
        rows = slice(2, None) if name.startswith("roberta") and "position_embeddings" in key else slice(None)
        np.testing.assert_array_equal(found[key][rows], array[rows], err_msg=key)
    values = [json.loads((path / "config.json").read_text()) for path in (GOLDEN / name, folder)]
    assert values[1]["architectures"] == values[0]["architectures"]
    differing = {
        key: (values[0][key], values[1][key])
        for key in values[1]
        if key in values[0] and values[0][key] != values[1][key]
    }
    assert differing == {}


def test_labels_keep_their_names_and_order():
    assert load_huggingface(GOLDEN / "bert-classifier").labels == ("bad", "fair", "good")


def test_labels_are_in_the_order_of_their_numbers(tmp_path):
    names = {str(index): f"label {index}" for index in reversed(range(12))}
    folder = reconfigure(copy("bert-classifier", tmp_path), id2label=names)

    def widen(arrays):
        for key in ("classifier.weight", "classifier.bias"):
            arrays[key] = np.repeat(arrays[key], 4, axis=0)

    assert load_huggingface(rewrite(folder, widen)).labels == tuple(f"label {index}" for index in range(12))


def test_heads_without_a_place_are_named():
    assert load_huggingface(GOLDEN / "bert-model").left_out == ()
    left_out = load_huggingface(GOLDEN / "electra-discriminator").left_out
    assert {name.partition(".")[0] for name in left_out} == {"discriminator_predictions"}
    assert len(left_out) == 4
    as_masked_lm = load_huggingface(GOLDEN / "bert-pretraining", task="masked_lm").left_out
    assert {name.rpartition(".")[0] for name in as_masked_lm} == {"pooler.dense", "cls.seq_relationship"}


@pytest.mark.parametrize("name", ["bert-classifier", "roberta-classifier", "distilbert-classifier"])
@pytest.mark.parametrize(("head", "new"), [("classifier", "qa_outputs"), ("classifier", "classifier")])
def test_the_encoder_of_a_model_for_a_task_that_is_not_ours(tmp_path, name, head, new):
    def other_head(arrays):
        for key in [key for key in arrays if key.startswith((head, "pre_classifier"))]:
            del arrays[key]
        arrays[f"{new}.weight"] = np.ones((2, 16), "float32")
        arrays[f"{new}.bias"] = np.ones(2, "float32")

    folder = reconfigure(rewrite(copy(name, tmp_path), other_head), architectures=["XForMultipleChoice"])
    with pytest.raises(CheckpointError, match='the encoder without it loads with task="encoder"'):
        load_huggingface(folder)
    inputs, expected = golden(name)
    checkpoint = load_huggingface(folder, task="encoder")
    assert set(checkpoint.left_out) == {f"{new}.weight", f"{new}.bias"}
    real = inputs["padding_mask"]
    found = checkpoint.model.predict_on_batch(inputs)["states"]
    np.testing.assert_allclose(found[real], expected["states"][real], atol=1e-4)


def test_an_array_under_two_names(tmp_path):
    def twice(arrays):
        arrays["pooler.dense.bias"] = arrays["bert.pooler.dense.bias"]

    with pytest.raises(CheckpointError, match=r"pooler\.dense\.bias is there under another name too"):
        load_huggingface(rewrite(copy("bert-classifier", tmp_path), twice))


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64"])
def test_weights_that_are_no_floats(tmp_path, dtype):
    def retype(arrays):
        arrays["classifier.bias"] = arrays["classifier.bias"].astype(dtype)

    with pytest.raises(CheckpointError, match=f"classifier.bias is {dtype}, expected float16"):
        load_huggingface(rewrite(copy("bert-classifier", tmp_path), retype))


def test_a_head_of_another_activation_is_refused(tmp_path):
    folder = reconfigure(copy("roberta-masked-lm", tmp_path), hidden_act="relu")
    with pytest.raises(CheckpointError, match="masked-LM head of roberta computes gelu, its encoder relu"):
        load_huggingface(folder)
    assert load_huggingface(folder, task="encoder").config.activation == "relu"


def test_more_labels_than_the_classifier_has(tmp_path):
    folder = reconfigure(copy("bert-classifier", tmp_path), id2label={str(i): f"l{i}" for i in range(5)})
    with pytest.raises(CheckpointError, match=r"classifier.weight has 3 rows, config.json 5 labels"):
        load_huggingface(folder)


def sentence_transformer(folder, kinds=("Transformer", "Pooling", "Normalize"), **modes):
    types = [{"type": f"sentence_transformers.models.{kind}"} for kind in kinds]
    (folder / "modules.json").write_text(json.dumps(types))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True, **modes}))
    return folder


def test_a_sentence_encoder_is_the_mean_of_its_states(tmp_path):
    inputs, expected = golden("bert-model")
    checkpoint = load_huggingface(sentence_transformer(copy("bert-model", tmp_path)))
    assert checkpoint.task == "embedding"
    mask = inputs["padding_mask"][..., None]
    mean = (expected["states"] * mask).sum(1) / mask.sum(1)
    found = checkpoint.model.predict_on_batch(inputs)["vector"]
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean, axis=-1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize(
    ("kinds", "modes"),
    [
        (("Transformer", "Pooling"), {}),
        (("Transformer", "Pooling", "Dense", "Normalize"), {}),
        (("Transformer", "Pooling", "Normalize"), {"pooling_mode_cls_token": True}),
        (("Transformer", "Pooling", "Normalize"), {"pooling_mode_mean_tokens": False}),
    ],
)
def test_another_recipe_for_vectors_loads_as_the_bare_encoder(tmp_path, kinds, modes):
    assert load_huggingface(sentence_transformer(copy("bert-model", tmp_path), kinds, **modes)).task == "encoder"


def test_a_sentence_encoder_keeps_its_recipe_on_the_way_back(tmp_path):
    checkpoint = load_huggingface(sentence_transformer(copy("bert-model", tmp_path)))
    assert load_huggingface(save_huggingface(tmp_path / "back", checkpoint)).task == "embedding"


def test_another_task_than_the_heads_is_an_error():
    with pytest.raises(CheckpointError, match=r"expected a model for classification, found one for masked_lm"):
        load_huggingface(GOLDEN / "bert-masked-lm", task="classification")


def test_all_mismatches_are_told_together(tmp_path):
    def spoil(arrays):
        del arrays["bert.encoder.layer.0.attention.self.key.weight"]
        arrays["bert.encoder.layer.2.output.dense.bias"] = np.zeros(16, "float32")
        arrays["bert.pooler.dense.bias"] = np.zeros(17, "float32")
        arrays["classifier.bias"][1] = np.nan

    folder = rewrite(copy("bert-classifier", tmp_path), spoil)
    with pytest.raises(CheckpointError) as caught:
        load_huggingface(folder)
    message = str(caught.value)
    assert "4 mismatches" in message
    assert "encoder.layer.0.attention.self.key.weight is missing" in message
    assert "encoder.layer.2.output.dense.bias is not part of the model" in message
    assert "pooler.dense.bias has shape (17,), expected (16,)" in message
    assert "classifier.bias holds NaN or infinity" in message


def test_an_untied_output_layer_is_refused(tmp_path):
    def untie(arrays):
        arrays["cls.predictions.decoder.weight"] = arrays["bert.embeddings.word_embeddings.weight"] + 1

    folder = rewrite(copy("bert-masked-lm", tmp_path), untie)
    with pytest.raises(CheckpointError, match=r"cls\.predictions\.decoder\.weight differs from .*tied"):
        load_huggingface(folder)


def test_old_names_of_norms_are_known(tmp_path):
    def age(arrays):
        for key in [key for key in arrays if "LayerNorm" in key]:
            arrays[key.replace("weight", "gamma").replace("bias", "beta")] = arrays.pop(key)

    inputs, expected = golden("bert-model")
    checkpoint = load_huggingface(rewrite(copy("bert-model", tmp_path), age))
    found = checkpoint.model.predict_on_batch(inputs)["states"][inputs["padding_mask"]]
    np.testing.assert_allclose(found, expected["states"][inputs["padding_mask"]], atol=1e-4)


def test_shards_are_read_together(tmp_path):
    folder = copy("roberta-classifier", tmp_path)
    arrays = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(arrays)
    index = {}
    for number, part in enumerate((names[::2], names[1::2])):
        file = f"model-{number}.safetensors"
        save_file({name: arrays[name] for name in part}, folder / file)
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    inputs, expected = golden("roberta-classifier")
    found = load_huggingface(folder).model.predict_on_batch(inputs)["logits"]
    np.testing.assert_allclose(found, expected["logits"], atol=1e-4)
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"names model-1\.safetensors, which is not there"):
        load_huggingface(folder)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", ".hidden", 7])
def test_an_index_cannot_point_elsewhere(tmp_path, name):
    folder = copy("bert-model", tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match="expected names of files in this folder"):
        load_huggingface(folder)


def test_a_pickle_is_refused_with_the_way_out(tmp_path):
    folder = copy("bert-model", tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin, a pickle.*safe_serialization=True"):
        load_huggingface(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "opt"}, "model_type 'opt' is none of bert, distilbert.*, gpt2, llama, qwen2, t5, marian, bart"),
        ({"hidden_act": "swish"}, "activation 'swish' is none of"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key', expected 'absolute'"),
        ({"is_decoder": True}, "a decoder, expected an encoder"),
        ({"num_attention_heads": 3}, "hidden_dim must be a multiple of num_heads"),
        ({"num_hidden_layers": "two"}, "num_layers must be a positive integer, got 'two'"),
        ({"architectures": [None]}, "expected a list of class names as architectures"),
        ({"architectures": "BertModel"}, "expected a list of class names as architectures"),
        ({"model_type": ["bert"]}, "is none of bert"),
        ({"vocab_size": 10**12}, "config.json and the weights disagree"),
        ({"num_hidden_layers": 10**9}, "too few for 1000000000 layers"),
        ({"type_vocab_size": 10**9}, "1000000000 segments are no model"),
        ({"intermediate_size": 10**12}, "config.json and the weights disagree"),
        ({"architectures": ["BertForMultipleChoice"]}, 'no task for the head .*task="encoder"'),
        ({"vocab_size": 80}, "word_embeddings.weight has shape .84, 16., expected .80, 16."),
    ],
)
def test_configs_that_are_not_understood(tmp_path, values, message):
    folder = reconfigure(copy("bert-model", tmp_path), **values)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_huggingface(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"model_type": "bert"}', "[" * 100_000])
def test_a_broken_config(tmp_path, content):
    folder = copy("bert-model", tmp_path)
    (folder / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_huggingface(folder)


def test_what_is_a_hugging_face_folder(tmp_path):
    assert is_huggingface(GOLDEN / "bert-model")
    assert not is_huggingface(tmp_path)
    ours = save_checkpoint(tmp_path / "ours", load_huggingface(GOLDEN / "bert-model"))
    assert not is_huggingface(ours)


def test_an_encoder_of_another_form_is_not_written(tmp_path):
    checkpoint = load_huggingface(GOLDEN / "albert-model")
    with pytest.raises(CheckpointError, match=r"cannot be written as BERT, DistilBERT or RoBERTa.*share_layers=True"):
        save_huggingface(tmp_path / "theirs", checkpoint)
    assert list(tmp_path.iterdir()) == []


def test_nan_is_not_written(tmp_path):
    checkpoint = load_huggingface(GOLDEN / "bert-model")
    bias = checkpoint.model.get_layer("pooler").projection.bias
    bias.assign(np.full(bias.shape, np.nan))
    with pytest.raises(CheckpointError, match="2? ?weights hold NaN or infinity, first pooler"):
        save_huggingface(tmp_path / "theirs", checkpoint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "family"), [("bert-pretraining", "roberta"), ("bert-model", "distilbert"), ("distilbert-model", "bert")]
)
def test_a_family_without_the_head_or_form(name, family, tmp_path):
    with pytest.raises(CheckpointError, match=f"model cannot be written as {family}"):
        save_huggingface(tmp_path / "theirs", load_huggingface(GOLDEN / name), family=family)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_not_replaced(tmp_path):
    (tmp_path / "theirs").write_text("mine")
    with pytest.raises(CheckpointError, match="not a Hugging Face model; it is not replaced"):
        save_huggingface(tmp_path / "theirs", load_huggingface(GOLDEN / "bert-model"), force=True)


def test_an_existing_folder_is_not_replaced_by_accident(tmp_path):
    checkpoint = load_huggingface(GOLDEN / "bert-model")
    folder = save_huggingface(tmp_path / "theirs", checkpoint)
    with pytest.raises(CheckpointError, match="exists; choose another output or use --force"):
        save_huggingface(folder, checkpoint)
    save_huggingface(folder, checkpoint, force=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="not a Hugging Face model; it is not replaced"):
        save_huggingface(tmp_path / "mine", checkpoint, force=True)
