"""From a graph node back to its Keras layer."""

from __future__ import annotations

import pytest

from kerastx_export.layer_names import layer_of


@pytest.mark.parametrize(
    ("node", "layer"),
    [
        ("classifier_1/encoder_block_0_1/attention_1/MatMul", "encoder_block_0/attention"),
        ("classifier_1/encoder_block_1_1/attention_1/qkv_1/MatMul", "encoder_block_1/attention/qkv"),
        ("classifier/encoder_block_1/attention/MatMul", "encoder_block_1/attention"),
        ("classifier_12/encoder_block_2_12/norm_12/Sqrt", "encoder_block_2/norm"),
        ("StatefulPartitionedCall/classifier_1/odd_layer_1/Erfinv", "odd_layer"),
        ("StatefulPartitionedCall_1/classifier_1/odd_layer_1/Erfinv", "odd_layer"),
        ("Softmax", "Softmax"),
        ("classifier_1/Identity", "classifier_1/Identity"),
    ],
)
def test_layer_of(node, layer):
    assert layer_of(node) == layer
