"""What holds for every layer; the layer tests call `check_layer`."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops


def array(tensor) -> np.ndarray:
    """The values of a tensor as NumPy."""
    return ops.convert_to_numpy(tensor)


def check_layer(layer: keras.layers.Layer, inputs: tuple, folder, *, keyword_inputs: dict | None = None) -> None:
    """Check what holds for every layer: config and file round trips, symbolic shapes, mixed precision, gradients."""
    keyword_inputs = keyword_inputs or {}
    expected = array(layer(*inputs, **keyword_inputs))

    symbolic_inputs = [keras.Input(x.shape[1:], dtype=str(x.dtype)) for x in inputs]
    symbolic_keywords = {k: keras.Input(x.shape[1:], dtype=str(x.dtype)) for k, x in keyword_inputs.items()}
    output = layer(*symbolic_inputs, **symbolic_keywords)
    assert output.shape[1:] == expected.shape[1:]
    dynamic = layer.compute_output_shape(*[(None, None, *x.shape[2:]) for x in inputs])
    assert len(dynamic) == expected.ndim
    assert dynamic[-1] == expected.shape[-1]

    # config -> the same kind of layer with the same arguments
    twin = type(layer).from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()

    # .keras file -> the same numbers
    model = keras.Model([*symbolic_inputs, *symbolic_keywords.values()], output)
    model.save(folder / "layer.keras")
    loaded = keras.models.load_model(folder / "layer.keras")
    np.testing.assert_allclose(array(loaded([*inputs, *keyword_inputs.values()])), expected, atol=1e-6)

    # half precision computes in bfloat16, keeps its variables in float32 and stays close
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})
    half(*inputs, **keyword_inputs)
    assert {str(v.dtype) for v in half.trainable_variables} <= {"float32"}
    half.set_weights(layer.get_weights())
    result = half(*inputs, **keyword_inputs)
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    # 8 bits of mantissa are 2-3 decimal digits; the values are of order 1.
    np.testing.assert_allclose(array(ops.cast(result, "float32")), expected, atol=0.1, rtol=0.1)

    check_gradients(layer, inputs, keyword_inputs)


def check_gradients(layer, inputs, keyword_inputs) -> None:
    """The analytic directional derivative of every weight equals the finite difference, so none is cut off."""
    weights = layer.trainable_variables
    probe = np.random.default_rng(5).normal(size=array(layer(*inputs, **keyword_inputs)).shape).astype("float32")

    def loss():
        return ops.sum(layer(*inputs, **keyword_inputs) * probe)

    for variable, gradient in zip(weights, gradients(layer, loss), strict=True):
        value = array(variable).copy()
        direction = np.random.default_rng(6).normal(size=value.shape).astype("float32")
        direction /= np.linalg.norm(direction)
        step = 1e-2
        variable.assign(value + step * direction)
        above = float(array(loss()))
        variable.assign(value - step * direction)
        below = float(array(loss()))
        variable.assign(value)
        numeric = (above - below) / (2 * step)
        # float32 sums of some hundred terms, divided by a small step: about three digits are left.
        assert float(np.sum(gradient * direction)) == pytest.approx(numeric, rel=0.02, abs=0.02), variable.path


def gradients(layer, loss) -> list[np.ndarray]:
    """Gradients of `loss()` for the trainable variables of `layer`, on the tensorflow and jax backends."""
    weights = layer.trainable_variables
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        return [array(tf.convert_to_tensor(g)) for g in tape.gradient(value, [w.value for w in weights])]
    import jax

    def stateless(values):
        with keras.StatelessScope(state_mapping=zip(weights, values, strict=True)):
            return loss()

    return [np.asarray(g) for g in jax.grad(stateless)([w.value for w in weights])]
