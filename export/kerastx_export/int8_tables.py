"""Tables in 8 bits for TFLite, each row with a scale of its own.

The converter gives a table one scale for all of its rows. In a table of positions some rows reach much farther than
the others, which then keep a few levels: of all that 8 bits cost a 6-layer encoder, this was the larger half.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from kerastx.layers.embeddings import InputEmbeddings, TokenEmbedding
from kerastx.layers.positioned_embeddings import PositionedEmbeddings

LEVELS = 127
# The converter makes any float constant of 1,024 elements an int8 one with one scale, these scales too. As whole
# numbers of this many steps up to the largest they stay what they are.
_SCALE_STEPS = 2**24


@contextlib.contextmanager
def int8_tables(model: keras.Model) -> Iterator[None]:
    """Let the tables of tokens and positions answer from int8 rows, for what is traced inside of the block."""
    tables = {
        layer: layer.table if isinstance(layer, TokenEmbedding) else layer.positions
        for layer in model._flatten_layers()
        if isinstance(layer, TokenEmbedding | InputEmbeddings) or _has_learned_positions(layer)
    }
    try:
        for layer, table in tables.items():
            layer.__dict__["rows"] = _lookup(table)
        yield
    finally:
        for layer in tables:
            layer.__dict__.pop("rows", None)


def _has_learned_positions(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, PositionedEmbeddings) and layer.position_vectors == "learned"


def _lookup(table: keras.Variable) -> Callable[[tf.Tensor], tf.Tensor]:
    values = keras.ops.convert_to_numpy(table)
    scales = scales_of(values)
    rounded = np.rint(values / scales).astype(np.int8)
    step = np.float32(scales.max() / _SCALE_STEPS)
    counts = np.rint(scales / step).astype(np.int32)

    def rows(ids: tf.Tensor) -> tf.Tensor:
        scale = tf.cast(tf.gather(tf.constant(counts), ids), tf.float32) * step
        return tf.cast(tf.gather(tf.constant(rounded), ids), tf.float32) * scale

    return rows


def scales_of(table: np.ndarray) -> np.ndarray:
    """Return the step of each row, 1 where all of it is 0: float (V, D) -> float32 (V, 1)."""
    peaks = np.abs(table).max(axis=1, keepdims=True)
    return np.where(peaks > 0, peaks / LEVELS, 1.0).astype(np.float32)
