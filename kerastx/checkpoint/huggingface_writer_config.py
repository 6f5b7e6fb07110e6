"""Hugging Face's config.json of a model that writes -> our config, and the tokens that it writes with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerastx.checkpoint.huggingface_config import ACTIVATIONS
from kerastx.checkpoint.huggingface_writer_names import WRITERS, WRITING_MODELS, Writer
from kerastx.errors import CheckpointError
from kerastx.models.decoder_config import GeneratorConfig, LanguageModelConfig, Seq2SeqConfig
from kerastx.text.huggingface_files import WritingIds

_ACTIVATIONS = {**ACTIVATIONS, "silu": "silu", "swish": "silu"}
_CLASS_ENDINGS = ("LMHeadModel", "ForCausalLM", "ForConditionalGeneration", "MTModel", "Model")
_GPT2_SIZES = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "n_embd",
    "num_layers": "n_layer",
    "num_heads": "n_head",
    "max_sequence_length": "n_positions",
}
_LLAMA_SIZES = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
}
_T5_SIZES = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "d_model",
    "num_layers": "num_layers",
    "num_heads": "num_heads",
    "head_dim": "d_kv",
    "intermediate_dim": "d_ff",
}
_BART_SIZES = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "d_model",
    "num_layers": "encoder_layers",
    "num_decoder_layers": "decoder_layers",
    "num_heads": "encoder_attention_heads",
    "intermediate_dim": "encoder_ffn_dim",
    "max_sequence_length": "max_position_embeddings",
}
# T5 has no table of positions; where it does not say on how many tokens it was trained, these are they.
_T5_TOKENS = 512

Values = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]


def writer_of(values: Values) -> Writer:
    """Return how the architecture of a config.json names its modules.

    Raises:
        CheckpointError: the class has a head for something else than writing, or a form that we have not.
    """
    architectures = values.get("architectures") or [""]
    if not (isinstance(architectures, list) and all(isinstance(name, str) for name in architectures)):
        raise CheckpointError(f"config.json: expected a list of class names as architectures, got {architectures!r}")
    if architectures[0] and not architectures[0].endswith(_CLASS_ENDINGS):
        raise CheckpointError(f"there is no task for the head of {architectures[0]}; expected a model that writes")
    kind = values["model_type"]
    if kind == "t5" and str(values.get("feed_forward_proj", "relu")).startswith("gated-"):
        return WRITERS["t5-gated"]
    if kind == "marian" and not values.get("share_encoder_decoder_embeddings", True):
        return WRITERS["marian-two-tables"]
    if kind in ("llama", "qwen2"):
        without = [
            ours
            for ours, theirs in (("attention", "attention_bias"), ("feed_forward", "mlp_bias"))
            if kind == "llama" and not values.get(theirs, False)
        ]
        return dataclasses.replace(WRITERS["llama"], zero_biases=tuple(without))
    return WRITERS[kind]


def writer_config(values: Values, writer: Writer, arrays: Arrays) -> GeneratorConfig:
    """Read the sizes and choices.

    Args:
        values: of config.json.
        writer: of these values.
        arrays: without prefix: they tell whether logits have a table or a bias of their own.
    """
    kinds: dict[str, Callable[[Values], dict[str, Any]]] = {
        "gpt2": _gpt2,
        "llama": _llama,
        "qwen2": _qwen2,
        "t5": _t5,
        "marian": _marian,
        "bart": _bart,
    }
    found = kinds[values["model_type"]](values)
    found |= {
        "tied_embeddings": _is_tied(values, writer, arrays),
        "output_bias": bool(writer.output_bias) and writer.output_bias in arrays,
    }
    return LanguageModelConfig(**found) if writer.task == "language_model" else Seq2SeqConfig(**found)


def _is_tied(values: Values, writer: Writer, arrays: Arrays) -> bool:
    default = values["model_type"] not in ("llama", "qwen2")
    if values["model_type"] != "t5":
        return bool(values.get("tie_word_embeddings", default))
    # What T5's configs say of it depends on the version of transformers; an array that is there counts in all of them.
    own, words = arrays.get(writer.output), arrays.get(writer.words)
    return own is None or words is None or np.array_equal(own, words)


def _gpt2(values: Values) -> dict[str, Any]:
    _refuse(values, scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False, add_cross_attention=False)
    found = _sizes(values, _GPT2_SIZES)
    width = found["hidden_dim"]  # what is no number is refused by the config, by its name
    return {
        **found,
        "intermediate_dim": values.get("n_inner") or (4 * width if isinstance(width, int) else width),
        "activation": _activation(values.get("activation_function", "gelu_new")),
        "epsilon": values.get("layer_norm_epsilon", 1e-5),
        "dropout_rate": values.get("resid_pdrop", 0.1),
        "initializer_range": values.get("initializer_range", 0.02),
    }


def _llama(values: Values) -> dict[str, Any]:
    _refuse(values, partial_rotary_factor=1.0)
    attention, feed_forward = values.get("attention_bias", False), values.get("mlp_bias", False)
    # Ours has biases of all maps or of none but query, key and value: those that are not there are zeros.
    return {
        **_rotary(values, theta=10000.0),
        "use_bias": bool(attention or feed_forward),
        "qkv_bias": bool(attention),
    }


def _qwen2(values: Values) -> dict[str, Any]:
    _refuse(values, use_sliding_window=False)
    return {**_rotary(values, theta=10000.0), "use_bias": False, "qkv_bias": True}


def _rotary(values: Values, *, theta: float) -> dict[str, Any]:
    """Return what Llama and its relatives share."""
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise CheckpointError(f"config.json: expected an object as rope_scaling, got {rope!r}")
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise CheckpointError(
            f"this form of the architecture is not supported: rope_scaling of the kind {kind!r}, expected none"
        )
    return {
        **_sizes(values, _LLAMA_SIZES),
        "num_kv_heads": values.get("num_key_value_heads"),
        "head_dim": values.get("head_dim"),
        "positions": "rotary",
        "rotary_theta": rope.get("rope_theta", values.get("rope_theta", theta)),
        "activation": _activation(values.get("hidden_act", "silu")),
        "gated": True,
        "norm_kind": "rms",
        "epsilon": values.get("rms_norm_eps", 1e-6),
        "dropout_rate": values.get("attention_dropout", 0.0),
        "initializer_range": values.get("initializer_range", 0.02),
    }


def _t5(values: Values) -> dict[str, Any]:
    _, gate, activation = str(values.get("feed_forward_proj", "relu")).rpartition("gated-")
    # The first version of T5 divides before the tied table, and versions of transformers say so in two ways.
    divides = values.get("scale_decoder_outputs", values.get("tie_word_embeddings", True))
    return {
        **_sizes(values, _T5_SIZES),
        "num_decoder_layers": values.get("num_decoder_layers"),
        "max_sequence_length": values.get("n_positions", _T5_TOKENS),
        "positions": "relative",
        "num_buckets": values.get("relative_attention_num_buckets", 32),
        "max_distance": values.get("relative_attention_max_distance", 128),
        "activation": _activation("gelu_new" if (gate, activation) == ("gated-", "gelu") else activation),
        "gated": bool(gate),
        "norm_kind": "rms",
        "epsilon": values.get("layer_norm_epsilon", 1e-6),
        "use_bias": False,
        "scale_scores": False,
        "scale_outputs": bool(divides),
        "dropout_rate": values.get("dropout_rate", 0.1),
    }


def _bart(values: Values) -> dict[str, Any]:
    alike = {f"decoder_{name}": values.get(f"encoder_{name}") for name in ("attention_heads", "ffn_dim")}
    _refuse(values, normalize_before=False, add_final_layer_norm=False, **alike)
    return {
        **_sizes(values, _BART_SIZES),
        "positions": "learned",
        "activation": _activation(values.get("activation_function", "gelu")),
        "norm": "post-norm",
        "scale_embeddings": values.get("scale_embedding", False),
        "embedding_norm": values.get("normalize_embedding", True),
        "dropout_rate": values.get("dropout", 0.1),
        "initializer_range": values.get("init_std", 0.02),
    }


def _marian(values: Values) -> dict[str, Any]:
    _refuse(values, static_position_embeddings=True, normalize_embedding=False)
    found = {**_bart(values), "positions": "sinusoidal", "embedding_norm": False}
    if values.get("share_encoder_decoder_embeddings", True):
        return found
    own = values.get("decoder_vocab_size") or found["vocabulary_size"]
    return {**found, "vocabulary_size": own, "source_vocabulary_size": found["vocabulary_size"]}


def _sizes(values: Values, sizes: Mapping[str, str]) -> dict[str, Any]:
    if missing := [theirs for theirs in sizes.values() if theirs not in values]:
        raise CheckpointError(f"config.json lacks {', '.join(missing)}")
    return {ours: values[theirs] for ours, theirs in sizes.items()}


def _activation(name: Any) -> str:
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise CheckpointError(f"the activation {name!r} is none of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def _refuse(values: Values, **expected: Any) -> None:
    """Raise CheckpointError for keys that are there with another value than the only one that we have."""
    wrong = [
        f"{name} {values[name]!r}, expected {value!r}"
        for name, value in expected.items()
        if values.get(name, value) != value
    ]
    if wrong:
        raise CheckpointError(f"this form of the architecture is not supported: {'; '.join(wrong)}")


def writing_ids(values: Values, generation: Values) -> WritingIds:
    """Return the tokens that a model writes with.

    Args:
        values: of config.json.
        generation: of generation_config.json, which counts over it; empty where there is none.
    """
    said = {**values, **{name: value for name, value in generation.items() if value is not None}}
    pad = _token_ids(said, "pad_token_id")
    end = _token_ids(said, "eos_token_id")
    if WRITING_MODELS[values["model_type"]] == "language_model":
        begin = _token_ids(said, "bos_token_id")
    else:
        begin = _token_ids(said, "decoder_start_token_id") or (end if values["model_type"] == "bart" else pad)
        begin = (*begin[:1], *_token_ids(said, "forced_bos_token_id")[:1])
    return WritingIds(begin=begin[:2], end=end, pad=pad[0] if pad else None)


def _token_ids(values: Values, key: str) -> tuple[int, ...]:
    """Return the ids under a key: one, several or none; early configs have -1 for none."""
    found = values.get(key)
    ids = tuple(found) if isinstance(found, list) else () if found is None else (found,)
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in ids):
        raise CheckpointError(f"config.json: expected a token id as {key}, got {found!r}")
    return tuple(number for number in ids if number >= 0)
