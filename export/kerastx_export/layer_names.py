"""From the name of a graph node back to the Keras layer it came from."""

from __future__ import annotations

import re


def layer_of(node_name: str) -> str:
    """Return the path of the Keras layer, e.g. "encoder_block_0/attention", of a node in a traced graph.

    Keras scopes a node as classifier_1/encoder_block_0_1/attention_1/...; the last number counts the calls.
    """
    scopes = [scope for scope in node_name.split("/") if not scope.startswith("StatefulPartitioned")]
    if len(scopes) < 3:
        return node_name
    model, *layers, _operation = scopes
    call_number = re.search(r"_\d+$", model)
    return "/".join(layer.removesuffix(call_number.group() if call_number else "") for layer in layers)
