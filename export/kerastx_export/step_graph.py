"""A model that writes as functions of named tensors: a step with its cache, and what it needs of a source.

One step serves a prompt, T tokens at once, and every token after it, T = 1; the sizes of batch, tokens and cache are
left open. A .tflite writes into the slots of a cache that the client made; an .onnx gives back a longer one.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from kerastx.checkpoint.store import Checkpoint
from kerastx.layers.kv_cache import KeyValueCache
from kerastx.runtime.step_names import (
    ENCODE,
    ENCODE_INPUTS,
    LOOP,
    REORDER,
    ROWS,
    STEP,
    STEP_TOKENS,
    cache_names,
    new,
    source_names,
)
from kerastx_export.loop_graph import loop_function, loop_specs

Tensors = dict[str, tf.Tensor]


def step_specs(checkpoint: Checkpoint, *, slots: bool) -> dict[str, tf.TensorSpec]:
    """Return the inputs of a step, in order.

    Args:
        checkpoint: of the task language_model or seq2seq.
        slots: whether tokens are written into given slots, from the input first_slot on.
    """
    config = checkpoint.config
    specs = {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in STEP_TOKENS}
    if slots:
        specs["first_slot"] = tf.TensorSpec([], tf.int32, name="first_slot")
    for name in cache_names(num_blocks(checkpoint)):
        is_positions = name == "cached_positions"
        shape = [None, None] if is_positions else [None, config.kv_heads, None, config.head_size]
        specs[name] = tf.TensorSpec(shape, tf.int32 if is_positions else tf.float32, name=name)
    if checkpoint.task == "seq2seq":
        specs["source_padding_mask"] = tf.TensorSpec([None, None], tf.bool, name="source_padding_mask")
        for name in source_names(num_blocks(checkpoint)):
            specs[name] = tf.TensorSpec([None, config.kv_heads, None, config.head_size], tf.float32, name=name)
    return specs


def reorder_specs(checkpoint: Checkpoint) -> dict[str, tf.TensorSpec]:
    """Return the inputs of what puts the rows of a cache in another order, as beams ask for."""
    specs, names = step_specs(checkpoint, slots=True), cache_names(num_blocks(checkpoint))
    return {ROWS: tf.TensorSpec([None], tf.int32, name=ROWS), **{name: specs[name] for name in names}}


def encode_specs() -> dict[str, tf.TensorSpec]:
    """Return the inputs of what is computed once for a source."""
    return {name: tf.TensorSpec([None, None], dtype, name=name) for name, dtype in ENCODE_INPUTS.items()}


def num_blocks(checkpoint: Checkpoint) -> int:
    """Return how many blocks of the decoder have a cache."""
    return getattr(checkpoint.config, "num_decoder_layers", None) or checkpoint.config.num_layers


def step_function(checkpoint: Checkpoint) -> Callable[[Tensors], Tensors]:
    """Return a step: the inputs of `step_specs` -> logits and the new cache, by name."""
    model, blocks = checkpoint.model, num_blocks(checkpoint)

    def step(inputs: Tensors) -> Tensors:
        positions, *kept = (inputs[name] for name in cache_names(blocks))
        cache = KeyValueCache(positions, tuple(kept[::2]), tuple(kept[1::2]))
        source = {}
        if checkpoint.task == "seq2seq":
            flat = [inputs[name] for name in source_names(blocks)]
            source = {
                "sources": tuple(zip(flat[::2], flat[1::2], strict=True)),
                "source_padding_mask": inputs["source_padding_mask"],
            }
        logits, cache = model.step(
            inputs["token_ids"], inputs["positions"], cache, first_slot=inputs.get("first_slot"), **source
        )
        pairs = [tensor for pair in zip(cache.keys, cache.values, strict=True) for tensor in pair]
        names = [new(name) for name in cache_names(blocks)]
        return {"logits": logits, **dict(zip(names, [cache.positions, *pairs], strict=True))}

    return step


def encode_function(checkpoint: Checkpoint) -> Callable[[Tensors], Tensors]:
    """Return what is computed once for a source: keys and values of every block of the decoder, by name."""

    def encode(inputs: Tensors) -> Tensors:
        pairs = checkpoint.model.encode(inputs["source_token_ids"], inputs["source_padding_mask"])
        flat = [tensor for pair in pairs for tensor in pair]
        return dict(zip(source_names(num_blocks(checkpoint)), flat, strict=True))

    return encode


def reordered(inputs: Tensors) -> Tensors:
    """Return the cache with the rows that are asked for, in their order: the inputs of `reorder_specs` -> by name."""
    return {new(name): tf.gather(inputs[name], inputs[ROWS]) for name in inputs if name != ROWS}


def traced(
    function: Callable[[Tensors], Tensors], specs: dict[str, tf.TensorSpec]
) -> tf.types.experimental.PolymorphicFunction:
    """Return the graph of a function of named tensors."""
    graph = tf.function(lambda **inputs: identities(function(inputs)))
    graph.get_concrete_function(**specs)
    return graph


def identities(tensors: Tensors) -> Tensors:
    """Return copies: no output is an input itself, which converters refuse."""
    return {name: tf.identity(value) for name, value in tensors.items()}


def write_step_model(checkpoint: Checkpoint, folder: str, *, loop: bool = False) -> None:
    """Write a SavedModel with the signatures of `signatures_of`."""
    archive = keras.export.ExportArchive()
    archive.track(checkpoint.model)
    graphs = {
        STEP: lambda: traced(step_function(checkpoint), step_specs(checkpoint, slots=True)),
        REORDER: lambda: traced(reordered, reorder_specs(checkpoint)),
        ENCODE: lambda: traced(encode_function(checkpoint), encode_specs()),
        LOOP: lambda: traced(loop_function(checkpoint), loop_specs(checkpoint)),
    }
    for name in signatures_of(checkpoint, loop=loop):
        archive.add_endpoint(name, graphs[name]())
    archive.write_out(folder, verbose=False)


def signatures_of(checkpoint: Checkpoint, *, loop: bool = False) -> list[str]:
    """Return the names of the signatures of a .tflite; loop is whether one of them writes a whole text."""
    encode = [ENCODE] if checkpoint.task == "seq2seq" else []
    return [STEP, REORDER, *encode, *([LOOP] if loop else [])]
