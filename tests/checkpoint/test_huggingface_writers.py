"""Models of transformers that write: the same token ids, logits and texts here, and nothing lost on the way."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from golden_models import copy, reconfigure, rewrite
from safetensors.numpy import load_file, save_file

from kerastx.checkpoint.huggingface import load_huggingface, save_huggingface
from kerastx.checkpoint.store import load_checkpoint, save_checkpoint
from kerastx.checkpoint.text_scores import next_words, score
from kerastx.errors import CheckpointError
from kerastx.layers.kv_cache import token_positions
from kerastx.runtime.generation_settings import GenerationSettings

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "writers"
FOLDERS = sorted(folder.name for folder in GOLDEN.iterdir())
TASKS = {"gpt2": "language_model", "llama": "language_model", "smollm": "language_model", "qwen2": "language_model"}
NEW_TOKENS = 12


@functools.cache
def loaded(name):
    return load_huggingface(GOLDEN / name)


def written(name):
    return json.loads((GOLDEN / name / "writing.json").read_text(encoding="utf-8"))


def golden(name):
    """Return the inputs of the model, and the logits of transformers where there are tokens."""
    arrays = np.load(GOLDEN / name / "writing.npz", allow_pickle=False)
    inputs = {key: arrays[key] for key in arrays.files if key != "logits"}
    inputs = {key: array.astype("bool" if key.endswith("mask") else "int32") for key, array in inputs.items()}
    return inputs, arrays["logits"]


def mask_of(inputs):
    return inputs.get("padding_mask", inputs.get("target_padding_mask"))


@pytest.mark.parametrize("name", FOLDERS)
def test_the_logits_of_transformers(name):
    inputs, expected = golden(name)
    checkpoint = loaded(name)
    assert checkpoint.task == TASKS.get(name.partition("-")[0], "seq2seq")
    found = checkpoint.model.predict_on_batch(inputs)["logits"]
    mask = mask_of(inputs)
    np.testing.assert_allclose(found[mask], expected[mask], atol=1e-4)


@pytest.mark.parametrize("name", FOLDERS)
def test_rows_that_are_padded_on_the_left(name):
    inputs, expected = golden(name)
    order = np.argsort(mask_of(inputs), axis=1, kind="stable")
    ours = {
        key: array if key.startswith("source") else np.take_along_axis(array, order, axis=1)
        for key, array in inputs.items()
    }
    found = loaded(name).model.predict_on_batch(ours)["logits"]
    np.testing.assert_allclose(found[mask_of(ours)], expected[mask_of(inputs)], atol=1e-4)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_prompt_and_then_one_token_at_a_time(name):
    inputs, expected = golden(name)
    model, mask = loaded(name).model, mask_of(inputs)
    token_ids = inputs.get("token_ids", inputs.get("target_token_ids"))
    positions = np.array(token_positions(mask))
    source = {}
    if "source_token_ids" in inputs:
        sources = (inputs["source_token_ids"], inputs["source_padding_mask"])
        source = {"sources": model.encode(*sources), "source_padding_mask": sources[1]}
    cache = model.initial_cache(len(token_ids), token_ids.shape[1])
    logits, cache = model.step(token_ids[:, :2], positions[:, :2], cache, first_slot=0, **source)
    np.testing.assert_allclose(logits, expected[:, 1], atol=1e-4)
    for place in range(2, token_ids.shape[1]):
        now = slice(place, place + 1)
        logits, cache = model.step(token_ids[:, now], positions[:, now], cache, first_slot=place, **source)
        np.testing.assert_allclose(np.array(logits)[mask[:, place]], expected[mask[:, place], place], atol=1e-4)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_token_ids_of_transformers(name, tmp_path):
    checkpoint = loaded(name)
    reader = checkpoint.source_tokenizer or checkpoint.tokenizer
    for again in (reader, type(reader).from_json(reader.to_json())):
        for row in written(name)["texts"]:
            encoding = again.encode(row["text"])
            assert encoding.token_ids.tolist() == row["token_ids"], row["text"]
            assert not encoding.segment_ids.any()


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("num_beams", [1, 4])
def test_the_texts_of_transformers(name, num_beams):
    expected = written(name)
    # What transformers forces to be written first is a part of the beginning here.
    begun = len(loaded(name).tokenizer.begin_ids) - 1
    settings = GenerationSettings(num_beams=num_beams, max_new_tokens=NEW_TOKENS - begun)
    found = loaded(name).generate(expected["prompts"], settings=settings)
    rows = expected["greedy" if num_beams == 1 else "beams"]
    assert [list(one.token_ids) for one in found] == [row[begun:] for row in rows]


@pytest.mark.parametrize("name", FOLDERS)
def test_our_own_checkpoint_of_it_writes_the_same(name, tmp_path):
    checkpoint = loaded(name)
    again = load_checkpoint(save_checkpoint(tmp_path / "ours", checkpoint))
    assert (again.task, again.config, again.max_length) == (checkpoint.task, checkpoint.config, checkpoint.max_length)
    for ours, theirs in (
        (again.tokenizer, checkpoint.tokenizer),
        (again.source_tokenizer or again.tokenizer, checkpoint.source_tokenizer or checkpoint.tokenizer),
    ):
        assert (ours.begin_ids, ours.end_ids, ours.special_ids, ours.template, ours.sha256) == (
            theirs.begin_ids,
            theirs.end_ids,
            theirs.special_ids,
            theirs.template,
            theirs.sha256,
        )
    assert again.generate(["The owner"], max_new_tokens=5) == checkpoint.generate(["The owner"], max_new_tokens=5)


def copied(name, folder):
    return copy(f"writers/{name}", folder)


def same_logits(checkpoint, name):
    inputs, expected = golden(name)
    mask = mask_of(inputs)
    np.testing.assert_allclose(checkpoint.model.predict_on_batch(inputs)["logits"][mask], expected[mask], atol=1e-4)


def test_an_empty_prompt_begins_with_the_token_of_the_beginning():
    gpt2, llama = loaded("gpt2"), loaded("llama")
    assert gpt2.tokenizer.template.before == ()
    assert gpt2.tokenizer.begin_ids == gpt2.tokenizer.end_ids == (340,)
    assert llama.tokenizer.template.before == llama.tokenizer.begin_ids == (1,)
    for checkpoint in (gpt2, llama):
        (found,) = checkpoint.generate([""], max_new_tokens=3)
        assert found.token_ids
        best = next_words(checkpoint, "", top=1)[0][0]
        assert best == checkpoint.tokenizer.token(found.token_ids[0])


def test_a_score_is_that_of_what_is_written():
    """Each token after those before it, and behind what the texts begin with."""
    for name in ("gpt2", "llama", "bart"):
        checkpoint = loaded(name)
        texts = [["The owner"]] if checkpoint.task == "language_model" else [["The owner"], ["things"]]
        (found,) = score(checkpoint, *texts)
        ids = checkpoint.tokenizer.encode_ids(texts[-1])[0].tolist()
        ids += checkpoint.tokenizer.end_ids[:1] if checkpoint.task == "seq2seq" else ()
        row = np.array([[*checkpoint.tokenizer.begin_ids, *ids]], np.int32)
        inputs = {"token_ids": row, "padding_mask": row >= 0}
        if checkpoint.task == "seq2seq":
            source = checkpoint.tokenizer.pad([checkpoint.tokenizer.encode("The owner")])
            inputs = {f"target_{key}": array for key, array in inputs.items()}
            inputs |= {f"source_{key}": source[key] for key in ("token_ids", "padding_mask")}
        logits = checkpoint.model.predict_on_batch(inputs)["logits"][0].astype(np.float64)
        logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
        expected = [logits[place - 1, row[0, place]] for place in range(row.shape[1] - len(ids), row.shape[1])]
        np.testing.assert_allclose(found.log_probabilities, expected, atol=1e-5)


def test_names_without_a_prefix_and_with_buffers(tmp_path):
    """The published GPT-2."""

    def age(arrays):
        for name in list(arrays):
            arrays[name.removeprefix("transformer.")] = arrays.pop(name)
        arrays["h.0.attn.bias"] = np.ones((1, 1, 48, 48), "float32")
        arrays["h.1.attn.masked_bias"] = np.float32(-1e4)[None]
        arrays["lm_head.weight"] = arrays["wte.weight"]

    same_logits(load_huggingface(rewrite(copied("gpt2", tmp_path), age)), "gpt2")


@pytest.mark.parametrize("name", ["t5", "marian", "bart"])
def test_tables_that_are_there_more_than_once(name, tmp_path):
    prefix = "" if name == "t5" else "model."

    def repeat(arrays):
        table = arrays.pop(f"{prefix}shared.weight")
        for copy_of_it in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
            arrays[prefix + copy_of_it] = table
        arrays["lm_head.weight"] = table
        if name == "marian":
            arrays["model.encoder.embed_positions.weight"] = np.zeros((40, 16), "float32")

    same_logits(load_huggingface(rewrite(copied(name, tmp_path), repeat)), name)


def test_a_tied_table_that_differs(tmp_path):
    def untie(arrays):
        arrays["lm_head.weight"] = arrays["transformer.wte.weight"] + 1

    with pytest.raises(CheckpointError, match=r"lm_head.weight differs from wte.weight, though config.json ties them"):
        load_huggingface(rewrite(copied("gpt2", tmp_path), untie))


def test_all_mismatches_are_told_together(tmp_path):
    def spoil(arrays):
        del arrays["model.layers.0.self_attn.k_proj.weight"]
        arrays["model.layers.2.mlp.down_proj.weight"] = np.zeros((16, 24), "float32")
        arrays["model.layers.1.self_attn.v_proj.weight"] = np.zeros((9, 16), "float32")
        arrays["model.norm.weight"][1] = np.nan
        arrays["model.layers.1.input_layernorm.weight"] = np.zeros(16, "int64")

    folder = rewrite(copied("llama", tmp_path), spoil)
    with pytest.raises(CheckpointError) as caught:
        load_huggingface(folder)
    message = str(caught.value)
    assert message.startswith(str(folder))
    assert "\n" not in message
    for problem in (
        "5 mismatches",
        "layers.0.self_attn.k_proj.weight is missing",
        "layers.2.mlp.down_proj.weight is not part of the model",
        "layers.1.self_attn.v_proj.weight has shape (9, 16), expected (8, 16)",
        "model.norm.weight holds NaN or infinity",
        "layers.1.input_layernorm.weight is int64, expected float16",
    ):
        assert problem in message


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("gpt2", {"n_positions": 10**6}, r"wpe.weight has shape \(48, 16\), expected \(1000000, 16\)"),
        ("gpt2", {"n_positions": 10**9}, "max_sequence_length must be at most 1,048,576, got 1000000000"),
        ("t5", {"n_positions": 10**9}, "max_sequence_length must be at most 1,048,576, got 1000000000"),
        ("llama", {"rope_parameters": {"rope_theta": 10**400}}, "rotary_theta must be a number from 1 to"),
        (
            "llama",
            {"initializer_range": float("inf")},
            "initializer_range must be a number from 1e-30 to 1000, got inf",
        ),
        ("gpt2", {"vocab_size": 10**12}, "config.json and the weights disagree"),
        ("gpt2", {"n_layer": 10**9}, "too few for 1000000000 layers"),
        ("gpt2", {"n_inner": 10**9}, r"c_fc.weight has shape \(16, 64\), expected \(16, 1000000000\)"),
        ("llama", {"num_attention_heads": 2}, r"q_proj.weight has shape \(16, 16\), expected \(8, 16\)"),
        ("llama", {"num_key_value_heads": 3}, "num_kv_heads must divide num_heads"),
        ("llama", {"num_hidden_layers": "two"}, "num_layers must be a positive integer, got 'two'"),
        ("llama", {"rms_norm_eps": 0}, "epsilon"),
        ("llama", {"eos_token_id": 10**6}, None),
        ("t5", {"num_decoder_layers": 10**7}, "too few for 10000000 layers"),
        ("t5", {"relative_attention_num_buckets": 16}, r"relative_attention_bias.weight has shape \(8, 2\), expected"),
        ("t5", {"relative_attention_max_distance": 10**12}, "max_distance must be at most 100,000, got 1000000000000"),
        ("bart", {"decoder_layers": 2}, "decoder.layers.1.encoder_attn.q_proj.weight is missing"),
        ("marian-two-tables", {"vocab_size": 3}, "encoder.embed_tokens.weight has shape"),
    ],
)
def test_configs_that_are_not_understood(name, values, message, tmp_path):
    folder = reconfigure(copied(name, tmp_path), **values)
    if message is None:  # what generation_config.json says counts over it
        assert load_huggingface(folder).tokenizer.end_ids == loaded(name).tokenizer.end_ids
        (folder / "generation_config.json").unlink()
        message = r"the model writes with the token ids \[1000000\], of which the tokenizer knows nothing"
    with pytest.raises(CheckpointError, match=message) as caught:
        load_huggingface(folder)
    assert str(caught.value).startswith(str(folder))


def test_a_model_that_names_no_end(tmp_path):
    folder = reconfigure(copied("gpt2", tmp_path), eos_token_id=None, bos_token_id=None)
    (folder / "generation_config.json").unlink()
    assert load_huggingface(folder).tokenizer.end_ids == (340,)  # of tokenizer_config.json
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(CheckpointError, match="name the token that ends a text"):
        load_huggingface(folder)


def test_a_token_that_is_named_but_not_there_has_no_role(tmp_path):
    folder = copied("gpt2", tmp_path)
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]", "bos_token": {"content": "<s>"}}))
    tokenizer = load_huggingface(folder).tokenizer
    assert tokenizer.special_ids == (340,) * 5


def test_another_task(tmp_path):
    with pytest.raises(CheckpointError, match="expected a model for encoder, found one for language_model"):
        load_huggingface(GOLDEN / "gpt2", task="encoder")
    assert load_huggingface(GOLDEN / "gpt2", task="language_model").task == "language_model"


def test_shards_are_read_together(tmp_path):
    folder = copied("smollm", tmp_path)
    arrays = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, index = sorted(arrays), {}
    for number, part in enumerate((names[::2], names[1::2])):
        file = f"model-{number}.safetensors"
        save_file({name: arrays[name] for name in part}, folder / file)
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    same_logits(load_huggingface(folder), "smollm")


def test_a_pickle_is_refused(tmp_path):
    folder = copied("gpt2", tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin, a pickle.*safe_serialization=True"):
        load_huggingface(folder)


def test_vocab_json_and_merges_txt_are_a_gpt2(tmp_path):
    folder = copied("gpt2", tmp_path)
    content = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").unlink()
    vocabulary = content["model"]["vocab"] | {token["content"]: token["id"] for token in content["added_tokens"]}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("".join(f"{left} {right}\n" for left, right in content["model"]["merges"]))
    checkpoint = load_huggingface(folder)
    for row in written("gpt2")["texts"]:
        assert checkpoint.tokenizer.encode(row["text"]).token_ids.tolist() == row["token_ids"]
    reconfigure_tokenizer = json.dumps({"tokenizer_class": "Qwen2Tokenizer"})
    (folder / "tokenizer_config.json").write_text(reconfigure_tokenizer)
    with pytest.raises(
        CheckpointError, match=r"expected the files of BartTokenizer, GPT2Tokenizer, got those of Qwen2"
    ):
        load_huggingface(folder)


@pytest.mark.parametrize("name", ["bart", "gpt2", "t5-gated"])
def test_special_tokens_behind_the_table_are_left_out(name, tmp_path):
    """The published BART for summaries has no row for its last token, <mask>."""
    folder = copied(name, tmp_path)
    content = json.loads((folder / "tokenizer.json").read_text())
    size = loaded(name).tokenizer.vocabulary_size
    token = {**content["added_tokens"][-1], "id": size, "content": "<last>"}
    content["added_tokens"].append(token)
    if name == "bart":
        content["model"]["vocab"]["<last>"] = size
    if name == "t5-gated":
        content["model"]["vocab"] += [
            [added["content"], 0.0]
            for added in content["added_tokens"]
            if added["id"] >= len(content["model"]["vocab"])
        ]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    checkpoint = load_huggingface(folder)
    assert checkpoint.tokenizer.vocabulary_size == size
    for row in written(name)["texts"]:
        assert checkpoint.tokenizer.encode(row["text"]).token_ids.tolist() == row["token_ids"]
    content["added_tokens"][-1]["special"] = False
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=f"the tokenizer has {size + 1} tokens, the model {size}"):
        load_huggingface(folder)


def test_a_model_that_writes_is_not_written_for_transformers(tmp_path):
    with pytest.raises(CheckpointError, match="a language_model model cannot be written for transformers"):
        save_huggingface(tmp_path / "theirs", loaded("gpt2"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FOLDERS)
def test_pieces_are_the_text_and_the_text_is_what_all_tokens_decode_to(name):
    checkpoint = loaded(name)
    for prompt in ("The owner", "今天 2024"):
        *pieces, result = checkpoint.stream(prompt, max_new_tokens=8)
        assert "".join(pieces) == result.text
        new = [token for token in result.token_ids if token not in checkpoint.tokenizer.end_ids]
        if checkpoint.task == "seq2seq":
            assert result.text == checkpoint.tokenizer.decode(new)
            continue
        shown = checkpoint.tokenizer.encode_ids([prompt])[0].tolist()
        assert prompt + result.text == checkpoint.tokenizer.decode([*shown, *new])
