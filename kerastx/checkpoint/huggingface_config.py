"""Hugging Face's config.json <-> our encoder config, task and labels."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from kerastx.checkpoint.huggingface_names import FAMILIES, FAMILY_OF, Family, with_padding
from kerastx.checkpoint.huggingface_writer_names import WRITING_MODELS
from kerastx.checkpoint.json_files import read_json_object
from kerastx.errors import CheckpointError
from kerastx.models.config import EncoderConfig
from kerastx.models.decoder_config import GeneratorConfig
from kerastx.text.tags import bio_tags

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
PROBLEM_TYPES = {
    "single_label_classification": "classification",
    "multi_label_classification": "multi_label",
    "regression": "regression",
}
_TOKEN_HEADS = {"ForTokenClassification": "tagging", "ForQuestionAnswering": "span"}
# Ours -> theirs, where DistilBERT has names of its own.
_SIZES = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
}
_DISTILBERT_SIZES = {
    **_SIZES,
    "hidden_dim": "dim",
    "num_layers": "n_layers",
    "num_heads": "n_heads",
    "intermediate_dim": "hidden_dim",
}
_EPSILON = {"bert": 1e-12, "distilbert": 1e-12, "roberta": 1e-12, "electra": 1e-12, "albert": 1e-12}


def family_of(values: dict[str, Any]) -> Family:
    """Return the family of a config.json; CheckpointError for a foreign one."""
    name = values.get("model_type")
    if not isinstance(name, str) or name not in FAMILY_OF:
        raise CheckpointError(f"model_type {name!r} is none of {', '.join((*FAMILY_OF, *WRITING_MODELS))}")
    architectures = values.get("architectures")
    if architectures is not None and not (
        isinstance(architectures, list) and all(isinstance(entry, str) for entry in architectures)
    ):
        raise CheckpointError(f"config.json: expected a list of class names as architectures, got {architectures!r}")
    family = FAMILIES[FAMILY_OF[name]]
    pad_id = values.get("pad_token_id", 1)
    if family.counts_padding and not (isinstance(pad_id, int) and pad_id >= 0):
        raise CheckpointError(f"config.json: expected a token id as pad_token_id, got {pad_id!r}")
    return with_padding(family, pad_id)


def encoder_config(values: dict[str, Any], family: Family, names: Collection[str]) -> EncoderConfig:
    """Read the encoder's sizes.

    Args:
        values: of config.json.
        family: of these values.
        names: of the arrays, without prefix: they tell whether there is a pooler.
    """
    kind = FAMILY_OF[values["model_type"]]
    _refuse_unknown_forms(values)
    sizes = _DISTILBERT_SIZES if kind == "distilbert" else _SIZES
    if missing := [theirs for theirs in sizes.values() if theirs not in values]:
        raise CheckpointError(f"config.json lacks {', '.join(missing)}")
    found = {ours: values[theirs] for ours, theirs in sizes.items()}
    if family.skipped_positions and isinstance(found["max_sequence_length"], int):
        found["max_sequence_length"] -= family.skipped_positions
    activation = values.get("activation" if kind == "distilbert" else "hidden_act", "gelu")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise CheckpointError(f"the activation {activation!r} is none of {', '.join(ACTIVATIONS)}")
    narrow = values.get("embedding_size", found["hidden_dim"])
    return EncoderConfig(
        **found,
        num_segments=values.get("type_vocab_size", 2) if family.segments else 1,
        dropout_rate=values.get("dropout" if kind == "distilbert" else "hidden_dropout_prob", 0.1),
        activation=ACTIVATIONS[activation],
        epsilon=values.get("layer_norm_eps", _EPSILON[kind]),
        initializer_range=values.get("initializer_range", 0.02),
        embedding_dim=narrow if kind == "albert" or narrow != found["hidden_dim"] else None,
        share_layers=kind == "albert",
        has_pooler=bool(family.pooler) and f"{family.pooler}.weight" in names,
        pooler_activation=family.pooler_activation,
    )


def check_masked_lm(values: dict[str, Any], family: Family, config: EncoderConfig, task: str) -> None:
    """Raise CheckpointError for a masked-LM head whose activation is not the encoder's: ours has one for both."""
    of_head = family.masked_lm_activation or config.activation
    if task in ("masked_lm", "pretraining") and of_head != config.activation:
        raise CheckpointError(
            f"the masked-LM head of {values['model_type']} computes {of_head}, its encoder {config.activation}: "
            'not supported; task="encoder" loads it without the head'
        )


def _refuse_unknown_forms(values: dict[str, Any]) -> None:
    wrong = []
    if values.get("position_embedding_type", "absolute") != "absolute":
        wrong.append(f"position_embedding_type {values['position_embedding_type']!r}, expected 'absolute'")
    if values.get("sinusoidal_pos_embds"):
        wrong.append("sinusoidal_pos_embds")
    if values.get("is_decoder") or values.get("add_cross_attention"):
        wrong.append("a decoder, expected an encoder")
    for name in ("num_hidden_groups", "inner_group_num"):
        if values.get(name, 1) != 1:
            wrong.append(f"{name} {values[name]!r}, expected 1")
    if wrong:
        raise CheckpointError(f"this form of the architecture is not supported: {'; '.join(wrong)}")


def task_of(values: dict[str, Any], names: Collection[str], *, sentence_transformer: bool) -> str:
    """Return our task for a model, by its class, its problem type and the heads that are there."""
    family = family_of(values)
    architecture = (values.get("architectures") or [""])[0]
    if architecture.endswith("ForSequenceClassification"):
        kind = values.get("problem_type")
        if kind is not None and not (isinstance(kind, str) and kind in PROBLEM_TYPES):
            raise CheckpointError(f"problem_type {kind!r} is none of {', '.join(PROBLEM_TYPES)}")
        return PROBLEM_TYPES[kind] if kind else "regression" if len(labels_of(values)) == 1 else "classification"
    for ending, task in _TOKEN_HEADS.items():
        if architecture.endswith(ending):
            return task
    if sentence_transformer:
        return "embedding"
    has_masked_lm = family.masked_lm[2] in names or any(name in family.copies for name in names)
    if has_masked_lm:
        has_both = bool(family.next_sentence) and f"{family.next_sentence}.weight" in names
        return "pretraining" if has_both and f"{family.pooler}.weight" in names else "masked_lm"
    if not architecture or architecture.endswith(("Model", "ForPreTraining", "ForMaskedLM")):
        return "encoder"
    raise CheckpointError(
        f'there is no task for the head of {architecture}; the encoder without it loads with task="encoder" '
        "(kerastx import --task encoder)"
    )


def labels_of(values: dict[str, Any]) -> tuple[str, ...]:
    """Return the label names in the order of the logits."""
    names = values.get("id2label")
    if not isinstance(names, dict):
        return tuple(f"LABEL_{index}" for index in range(values.get("num_labels", 2)))
    try:
        return tuple(str(names[key]) for key in sorted(names, key=int))
    except ValueError as error:
        raise CheckpointError(f"config.json: id2label has the key {error}, expected numbers") from error


def entity_labels(values: dict[str, Any]) -> tuple[tuple[str, ...], list[int]]:
    """Return the kinds of entities of a model that tags tokens, and for each of our tags the row of its head.

    Raises:
        CheckpointError: the tags are not O and, for every kind, B- and I-.
    """
    names = labels_of(values)
    labels = tuple(dict.fromkeys(name[2:] for name in names if name[:2] in ("B-", "I-")))
    tags = bio_tags(labels)
    if not labels or sorted(names) != sorted(tags):
        raise CheckpointError(
            f"config.json: expected O, B-X and I-X as id2label, got {', '.join(names[:8])}; the encoder without this "
            'head loads with task="encoder"'
        )
    return labels, [names.index(tag) for tag in tags]


def family_named(config: EncoderConfig, task: str, name: str | None = None) -> str:
    """Return which of BERT, DistilBERT and RoBERTa a config of ours can be written as.

    Raises:
        CheckpointError: none, or not the one that was asked for.
    """
    fits = [
        kind
        for kind, num_segments, pooler in (("bert", None, "tanh"), ("distilbert", 1, "relu"), ("roberta", 1, "tanh"))
        if pooler == config.pooler_activation and num_segments in (None, config.num_segments)
    ]
    if config.norm != "post-norm" or config.embedding_dim is not None or config.share_layers:
        fits = []
    if task == "pretraining":
        fits = [kind for kind in fits if FAMILIES[kind].next_sentence]
    if task in ("masked_lm", "pretraining"):
        fits = [kind for kind in fits if FAMILIES[kind].masked_lm_activation in (None, config.activation)]
    if task == "encoder" and config.has_pooler:
        fits = [kind for kind in fits if FAMILIES[kind].pooler]
    if name is None and fits:
        return fits[-1] if config.num_segments == 1 else fits[0]
    if name not in fits:
        raise CheckpointError(
            f"this {task} model cannot be written as {name or 'BERT, DistilBERT or RoBERTa'}: norm={config.norm}, "
            f"embedding_dim={config.embedding_dim}, share_layers={config.share_layers}, "
            f"num_segments={config.num_segments}, pooler_activation={config.pooler_activation}"
            + (f"; it can be {', '.join(fits)}" if fits else "")
        )
    return name


def huggingface_config(
    kind: str, config: EncoderConfig, task: str, labels: tuple[str, ...], *, pad_id: int
) -> dict[str, Any]:
    """Return the values of config.json for an encoder of ours with the head of `task`."""
    family = with_padding(FAMILIES[kind], pad_id)
    sizes = _DISTILBERT_SIZES if kind == "distilbert" else _SIZES
    values: dict[str, Any] = {theirs: getattr(config, ours) for ours, theirs in sizes.items()}
    values["max_position_embeddings"] += family.skipped_positions
    activation = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu"}[config.activation]
    if kind == "distilbert":
        values |= {"activation": activation, "dropout": config.dropout_rate, "attention_dropout": config.dropout_rate}
    else:
        values |= {
            "hidden_act": activation,
            "hidden_dropout_prob": config.dropout_rate,
            "attention_probs_dropout_prob": config.dropout_rate,
            "type_vocab_size": config.num_segments,
            "layer_norm_eps": config.epsilon,
        }
    if kind == "distilbert" and config.epsilon != 1e-12:
        raise CheckpointError(f"DistilBERT's norms have epsilon 1e-12, this encoder's {config.epsilon:g}")
    suffix = {
        "encoder": "Model",
        "embedding": "Model",
        "pretraining": "ForPreTraining",
        "masked_lm": "ForMaskedLM",
        "tagging": "ForTokenClassification",
        "span": "ForQuestionAnswering",
    }.get(task, "ForSequenceClassification")
    if task in ("classification", "multi_label", "regression", "tagging"):
        names = bio_tags(labels) if task == "tagging" else labels or ("LABEL_0",)
        values["id2label"] = {str(index): name for index, name in enumerate(names)}
        values["label2id"] = {name: index for index, name in enumerate(names)}
    if task in ("classification", "multi_label", "regression"):
        values["problem_type"] = {ours: theirs for theirs, ours in PROBLEM_TYPES.items()}[task]
    return {
        "architectures": [family.class_prefix + suffix],
        "model_type": kind,
        **values,
        "initializer_range": config.initializer_range,
        "pad_token_id": pad_id,
        "tie_word_embeddings": True,
    }


def max_length_of(folder: Path, config: EncoderConfig | GeneratorConfig) -> int:
    """Return to how many tokens the folder's files say that texts are cut."""
    wishes = [config.max_sequence_length]
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        if (folder / name).is_file():
            wish = read_json_object(folder / name).get(key)
            if isinstance(wish, int) and wish >= 3:  # transformers writes 1e30 for "any"
                wishes.append(wish)
    return min(wishes)
