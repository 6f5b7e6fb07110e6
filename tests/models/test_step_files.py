"""A step of generating as a graph of TFLite or ONNX: any number of tokens and slots, Keras' numbers.

TFLite's writes into given slots, builtin operators only; ONNX's has a cache that grows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx
from ai_edge_litert.interpreter import Interpreter
from generating_models import language_model, prompts, seq2seq
from layer_contract import array

from kerastx.layers.kv_cache import KeyValueCache, token_positions
from kerastx.models.decoder_config import LanguageModelConfig
from kerastx.models.language_model import LanguageModel

BATCH = 3
TOKENS = tf.TensorSpec((BATCH, None), "int32")
MASK = tf.TensorSpec((BATCH, None), "bool")
SLOW = pytest.mark.slow


def flatbuffer(model: keras.Model, function: Callable, specs: dict[str, tf.TensorSpec], folder: Path) -> bytes:
    """Return the file of a function of tensors by name to tensors by name, with the weights of `model`."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    traced = tf.function(lambda **inputs: function(inputs))
    traced.get_concrete_function(**specs)
    archive.add_endpoint("step", traced)
    archive.write_out(str(folder), verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=["step"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter.convert()


def in_a_file(model: keras.Model, function: Callable, specs: dict[str, tf.TensorSpec], folder: Path) -> Callable:
    """Return `function` as the converter wrote it."""
    runner = Interpreter(model_content=flatbuffer(model, function, specs, folder)).get_signature_runner("step")
    return lambda inputs: runner(**{name: np.asarray(value) for name, value in inputs.items()})


def in_an_onnx_file(function: Callable, specs: dict[str, tf.TensorSpec]) -> Callable:
    """Return `function` as tf2onnx wrote it, in standard operators."""
    names = list(specs)
    signature = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()]
    traced = tf.function(lambda *inputs: function(dict(zip(names, inputs, strict=True))), input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(traced, input_signature=signature, opset=18)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    outputs = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(
        zip(outputs, session.run(None, {name: np.asarray(inputs[name]) for name in names}), strict=True)
    )


def step_of(model: keras.Model) -> Callable:
    """Return a step of a language model, of tensors by name to tensors by name."""

    def step(inputs):
        logits, cache = model.step(
            inputs["token_ids"], inputs["positions"], cache_in(inputs), first_slot=inputs.get("first_slot")
        )
        return written(logits, cache)

    return step


def written(logits, cache: KeyValueCache) -> dict:
    """The outputs of a step: no name is that of an input, which ONNX would take for the same tensor."""
    return {"logits": logits, **{f"new_{name}": value for name, value in by_name(cache).items()}}


def by_name(cache: KeyValueCache) -> dict:
    keys = {f"key_{index}": value for index, value in enumerate(cache.keys)}
    values = {f"value_{index}": value for index, value in enumerate(cache.values)}
    return {"cached_positions": cache.positions, **keys, **values}


def cache_in(tensors: dict) -> KeyValueCache:
    blocks = range(sum(name.startswith("key_") for name in tensors))
    return KeyValueCache(
        tensors["cached_positions"],
        tuple(tensors[f"key_{index}"] for index in blocks),
        tuple(tensors[f"value_{index}"] for index in blocks),
    )


def specs_of(model: keras.Model) -> dict[str, tf.TensorSpec]:
    """Of tokens, and of a cache of any number of slots."""
    config, blocks = model.config, range(len(model.initial_cache(BATCH).keys))
    keys = tf.TensorSpec((BATCH, config.kv_heads, None, config.head_size), "float32")
    cache = {f"{kind}_{index}": keys for kind in ("key", "value") for index in blocks}
    first_slot = tf.TensorSpec((), "int32")
    return {"token_ids": TOKENS, "positions": TOKENS, "first_slot": first_slot, "cached_positions": TOKENS, **cache}


def steps_of_tokens():
    """A padded batch of prompts at once, then two single tokens of each row: token_ids, positions, first slot."""
    token_ids, mask = prompts()
    yield token_ids, array(token_positions(mask)), 0
    for index in range(2):
        positions = (mask.sum(1) + index)[:, None].astype("int32")
        yield token_ids[:, index : index + 1] + 1, positions, 7 + index


def check_steps(step: Callable, file_step: Callable, cache: KeyValueCache) -> None:
    """Run both over `steps_of_tokens`, each with the cache it wrote itself."""
    expected = found = {f"new_{name}": value for name, value in by_name(cache).items()}
    for token_ids, positions, first_slot in steps_of_tokens():
        tokens = {"token_ids": token_ids, "positions": positions, "first_slot": np.int32(first_slot)}
        expected, found = (
            function({**tokens, **{name[4:]: value for name, value in last.items() if name.startswith("new_")}})
            for function, last in ((step, expected), (file_step, found))
        )
        np.testing.assert_array_equal(found["new_cached_positions"], array(expected["new_cached_positions"]))
        np.testing.assert_allclose(found["logits"], array(expected["logits"]), atol=2e-5)


@pytest.mark.parametrize("name", [pytest.param("gpt2", marks=SLOW), "llama", pytest.param("relative", marks=SLOW)])
def test_prompts_and_single_tokens_through_one_graph(name, tmp_path):
    model = language_model(name)
    step = step_of(model)
    file_step = in_a_file(model, step, specs_of(model), tmp_path)
    for capacity in (9, 14):
        check_steps(step, file_step, model.initial_cache(BATCH, capacity))


@pytest.mark.slow
def test_a_file_has_the_tied_table_once(tmp_path):
    """Factors right before a product are folded into a copy of its matrix: the last norm's, and T5's 1/√D."""
    config = LanguageModelConfig.preset("llama-tiny", vocabulary_size=8000, scale_outputs=True)
    model = LanguageModel(config)
    content = flatbuffer(model, step_of(model), specs_of(model), tmp_path)
    assert len(content) < 1.05 * 4 * model.count_params()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "llama", "relative"])
def test_a_growing_cache_through_one_graph_of_onnx(name):
    model = language_model(name)

    def step(inputs):
        return step_of(model)({key: value for key, value in inputs.items() if key != "first_slot"})

    specs = specs_of(model)
    del specs["first_slot"]
    check_steps(step, in_an_onnx_file(step, specs), model.initial_cache(BATCH))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transformer", "t5"])
def test_a_source_is_encoded_once_for_all_steps(name, tmp_path):
    model = seq2seq(name)
    source_ids, source_mask = prompts(left=True)
    sources = model.encode(source_ids, source_mask)
    flat = {f"source_{block}_{part}": x for block, pair in enumerate(sources) for part, x in enumerate(pair)}

    def step(inputs):
        source = [(inputs[f"source_{block}_0"], inputs[f"source_{block}_1"]) for block in range(len(sources))]
        logits, cache = model.step(
            inputs["token_ids"],
            inputs["positions"],
            cache_in(inputs),
            sources=source,
            source_padding_mask=inputs["source_padding_mask"],
            first_slot=inputs["first_slot"],
        )
        return written(logits, cache)

    specs = {name: tf.TensorSpec((BATCH, x.shape[1], None, x.shape[3]), "float32") for name, x in flat.items()}
    file_step = in_a_file(model, step, {**specs_of(model), "source_padding_mask": MASK, **specs}, tmp_path / "step")
    given = {"source_padding_mask": source_mask, **flat}
    check_steps(
        lambda inputs: step({**inputs, **given}),
        lambda inputs: file_step({**inputs, **given}),
        model.initial_cache(BATCH, 9),
    )

    def encode(inputs):
        encoded = model.encode(inputs["source_token_ids"], inputs["source_padding_mask"])
        return {f"source_{block}_{part}": x for block, pair in enumerate(encoded) for part, x in enumerate(pair)}

    file_encode = in_a_file(
        model, encode, {"source_token_ids": TOKENS, "source_padding_mask": MASK}, tmp_path / "encode"
    )
    found = file_encode({"source_token_ids": source_ids, "source_padding_mask": source_mask})
    for name, expected in flat.items():
        np.testing.assert_allclose(found[name], array(expected), atol=2e-5)
