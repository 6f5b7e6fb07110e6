"""Where in its context the answer to a question begins and ends."""

from __future__ import annotations

import keras

from kerastx.layers.dropout import Dropout
from kerastx.layers.projection import Projection
from kerastx.layers.span_logits import BestSpans, SpanLogits
from kerastx.models.config import EncoderConfig
from kerastx.models.encoder import encode

# Spans that are answered for each row: the candidates of Devlin et al.'s run_squad.py.
SPANS = 20


def build_span_extractor(
    config: EncoderConfig, *, separator_id: int, separators: int, dropout_rate: float = 0.1
) -> keras.Model:
    """Return the encoder with two logits at every token (Devlin et al., 2018, section 4.2).

    Args:
        config: of the encoder.
        separator_id: of the token that ends question and context.
        separators: how many of it stand before the context.
        dropout_rate: between encoder and head, while training.

    Inputs: token_ids, segment_ids (B, T) int32, padding_mask (B, T) bool. Outputs: start_logits and end_logits, float32
    (B, T), `MASKED_LOGIT` at every token that is neither of the context nor the first one.
    """
    graph = encode(config)
    states = Dropout(dropout_rate, name="span_dropout")(graph.states)
    logits = Projection(2, initializer_range=config.initializer_range, name="span_head")(states)
    start, end = SpanLogits(separator_id, separators, name="span_logits")(
        logits, graph.inputs["token_ids"], graph.inputs["padding_mask"]
    )
    as_float32 = {"activation": "linear", "dtype": "float32"}
    outputs = {"start_logits": start, "end_logits": end}
    outputs = {name: keras.layers.Activation(name=name, **as_float32)(value) for name, value in outputs.items()}
    return keras.Model(graph.inputs, outputs, name="span_extractor")


def span_search(max_answer_tokens: int) -> BestSpans:
    """Return the layer that finds the best spans among start_logits and end_logits."""
    return BestSpans(max_answer_tokens, min(SPANS, max_answer_tokens), name="best_spans")


def with_search(model: keras.Model, *, max_answer_tokens: int) -> keras.Model:
    """Return a span extractor that finds the best spans too; it shares the layers of `model`.

    Inputs: those of `model`. Outputs: null_score float32 (B, 1), scores float32, starts and ends int32 (B, K), see
    `BestSpans`.
    """
    logits = model.output
    spans = span_search(max_answer_tokens)(logits["start_logits"], logits["end_logits"])
    return keras.Model(model.input, spans, name=model.name)
