"""keras-nlp backbones (BERT, DistilBERT, RoBERTa) -> checkpoints."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np

from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.tasks import build_model
from kerastx.checkpoint.weights import assign_weights, weight_arrays
from kerastx.errors import CheckpointError, MissingExtraError
from kerastx.models.config import EncoderConfig
from kerastx.text.huggingface_files import read_huggingface_tokenizer
from kerastx.text.tokenizer import Tokenizer

# Class -> what its config does not say: its activation and the epsilon of its norms.
_FORMS: dict[str, dict[str, Any]] = {
    "BertBackbone": {"activation": "gelu_tanh", "epsilon": 1e-12},
    "DistilBertBackbone": {"activation": "gelu", "epsilon": 1e-12, "pooler_activation": "relu"},
    "RobertaBackbone": {"activation": "gelu", "epsilon": 1e-5},
}
_SIZES = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "max_sequence_length")
_EMBEDDINGS = {
    "token_embedding": "token_embedding/table",
    "position_embedding": "input_embeddings/positions",
    "segment_embedding": "input_embeddings/segments",
}
_MODULES = {
    "embeddings_layer_norm": "input_embeddings/norm",
    "pooled_dense": "pooler/projection",
    "self_attention_layer/attention_output": "attention/output_projection",
    "self_attention_layer_norm": "attention_norm",
    "feedforward_layer_norm": "feed_forward_norm",
    "feedforward_intermediate_dense": "feed_forward/expansion",
    "feedforward_output_dense": "feed_forward/contraction",
}


class _NoTokenizer:
    """Stands where a backbone came alone, and says so when it is used."""

    def __init__(self, vocabulary_size: int):
        self.vocabulary_size = vocabulary_size

    def __getattr__(self, name: str) -> Any:
        raise CheckpointError(
            "this checkpoint came without a tokenizer; from_keras_nlp(backbone, tokenizer=...) adds it"
        )


def load_preset(name: str) -> Checkpoint:
    """Load a preset of keras-nlp with its tokenizer; keras-nlp downloads what its cache lacks."""
    try:
        import keras_nlp
    except ImportError as error:
        raise MissingExtraError("keras_nlp", "keras-nlp") from error
    try:
        backbone = keras_nlp.models.Backbone.from_preset(name)
        tokenizer = keras_nlp.models.Tokenizer.from_preset(name)
    except (ValueError, OSError) as error:
        raise CheckpointError(f"keras-nlp:{name}: {' '.join(str(error).split())}") from error
    return from_keras_nlp(backbone, tokenizer)


def from_keras_nlp(backbone: keras.Model, tokenizer: Any = None) -> Checkpoint:
    """Return the checkpoint of a keras-nlp backbone: a bare encoder to use or to fine-tune.

    Args:
        backbone: a BertBackbone, DistilBertBackbone or RobertaBackbone.
        tokenizer: keras-nlp's of the same preset, or a `kerastx.Tokenizer`; without one the model can be used on ids,
            not on texts, and cannot be saved.

    Raises:
        CheckpointError: the backbone is another one, or a weight has no place here.
    """
    kind = type(backbone).__name__
    if kind not in _FORMS:
        raise CheckpointError(f"expected one of {', '.join(_FORMS)}, got {kind}")
    values = backbone.get_config()
    config = EncoderConfig(
        **{name: values[name] for name in _SIZES},
        **_FORMS[kind],
        intermediate_dim=values["intermediate_dim"],
        num_segments=values.get("num_segments", 1),
        dropout_rate=values["dropout"],
        has_pooler=kind == "BertBackbone",
    )
    model = build_model("encoder", config)
    arrays = _arrays(backbone, config)
    if "num_segments" not in values:
        arrays["input_embeddings/segments"] = np.zeros((1, config.hidden_dim), np.float32)
    assign_weights(model.weights, arrays, source=f"the {kind}")
    return Checkpoint(
        model=model,
        tokenizer=_tokenizer(tokenizer, config),
        config=config,
        task="encoder",
        max_length=config.max_sequence_length,
    )


def _arrays(backbone: keras.Model, config: EncoderConfig) -> dict[str, np.ndarray]:
    """Return our path -> array of every weight of the backbone."""
    theirs = weight_arrays(backbone)
    arrays: dict[str, np.ndarray] = {}
    for index in range(config.num_layers):
        attention = f"transformer_layer_{index}/self_attention_layer"
        for leaf, flat in (("kernel", (config.hidden_dim, -1)), ("bias", (-1,))):
            parts = [theirs.pop(f"{attention}/{part}/{leaf}").reshape(flat) for part in ("query", "key", "value")]
            arrays[f"encoder_block_{index}/attention/qkv/{leaf}"] = np.concatenate(parts, axis=-1)
        kernel = f"{attention}/attention_output/kernel"
        theirs[kernel] = theirs[kernel].reshape((-1, config.hidden_dim))
    for path, array in theirs.items():
        arrays[_our_path(path)] = array
    return arrays


def _our_path(path: str) -> str:
    module, _, leaf = path.rpartition("/")
    if leaf == "embeddings":
        return _EMBEDDINGS[module.rpartition("/")[2]]
    block, _, inside = module.partition("/")
    if block.startswith("transformer_layer_"):
        return f"encoder_block_{block.removeprefix('transformer_layer_')}/{_MODULES[inside]}/{leaf}"
    return f"{_MODULES[module]}/{leaf}"


def _tokenizer(tokenizer: Any, config: EncoderConfig) -> Tokenizer:
    if isinstance(tokenizer, Tokenizer):
        return tokenizer
    if tokenizer is None:
        return cast(Tokenizer, _NoTokenizer(config.vocabulary_size))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if hasattr(tokenizer, "merges"):
            (folder / "vocab.json").write_text(json.dumps(dict(tokenizer.vocabulary)), encoding="utf-8")
            (folder / "merges.txt").write_text("\n".join(tokenizer.merges), encoding="utf-8")
        else:
            (folder / "vocab.txt").write_text("\n".join(tokenizer.get_vocabulary()) + "\n", encoding="utf-8")
            # keras-nlp's own default strips no accents where BERT's uncased tokenizer, which it stands for, does.
            values = {"do_lower_case": bool(tokenizer.lowercase), "strip_accents": tokenizer.strip_accents or None}
            (folder / "tokenizer_config.json").write_text(json.dumps(values), encoding="utf-8")
        return read_huggingface_tokenizer(folder, segments=config.num_segments > 1)
