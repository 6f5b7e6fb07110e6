"""Hugging Face's names of weights beside ours: one table for each family, read in both directions.

A linear map is theirs as `weight` (out, in) and `bias`, ours as `kernel` (in, out) and `bias`; a norm is `weight` and
`bias` there, `gamma` and `beta` here; query, key and value are three maps there and one here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from kerastx.errors import CheckpointError
from kerastx.models.config import EncoderConfig

# How the arrays of a rule become ours.
SAME, TRANSPOSED, JOINED, JOINED_TRANSPOSED, AFTER_FIRST = "same", "transposed", "joined", "joined_transposed", "after"
ROW = "row"


@dataclass(frozen=True)
class Rule:
    """One of our variables, and where its values stand in a Hugging Face file.

    Attributes:
        ours: `variable.path`.
        theirs: names without the family's prefix; three where query, key and value are joined; none where ours has
            zeros and theirs nothing.
        how: one of the constants above.
        skipped: rows of theirs before ours begin (RoBERTa's positions).
        widths: of the arrays that are joined, where they differ (fewer keys than queries).
    """

    ours: str
    theirs: tuple[str, ...]
    how: str = SAME
    skipped: int = 0
    widths: tuple[int, ...] = ()

    def to_ours(self, arrays: list[np.ndarray]) -> np.ndarray:
        if self.how == JOINED:
            return np.concatenate(arrays)
        if self.how == JOINED_TRANSPOSED:
            return np.concatenate([array.T for array in arrays], axis=1)
        (array,) = arrays
        if self.how == ROW:
            return array[0]
        return {SAME: array, TRANSPOSED: array.T, AFTER_FIRST: array[self.skipped :]}[self.how]

    def to_theirs(self, array: np.ndarray) -> list[np.ndarray]:
        if not self.theirs:
            return []
        if self.how in (JOINED, JOINED_TRANSPOSED):
            cuts = [int(cut) for cut in np.cumsum(self.widths)[:-1]] if self.widths else len(self.theirs)
            parts = np.split(array, cuts, axis=-1)
            return parts if self.how == JOINED else [part.T for part in parts]
        if self.how == AFTER_FIRST:
            return [np.concatenate([np.zeros_like(array[: self.skipped]), array])]
        if self.how == ROW:
            return [array[None]]
        return [array.T if self.how == TRANSPOSED else array]

    def shape_problems(self, shape: tuple[int, ...], arrays: Mapping[str, np.ndarray]) -> list[str]:
        """Return what is wrong with theirs for a variable of ours of this shape."""
        problems = []
        for name, array in zip(self.theirs, self.to_theirs(np.broadcast_to(np.float32(0), shape)), strict=True):
            found = arrays.get(name)
            if found is None:
                problems.append(f"{name} is missing")
            elif found.shape != array.shape:
                problems.append(f"{name} has shape {tuple(found.shape)}, expected {tuple(array.shape)}")
            elif found.dtype != np.float32:
                problems.append(f"{name} is {found.dtype}, expected float16, bfloat16, float32 or float64")
        return problems


@dataclass(frozen=True)
class Family:
    """How one architecture of Hugging Face names its modules; `{i}` is the number of a block.

    Attributes:
        prefix: of the encoder's names in files of models with a head.
        class_prefix: of its class names, as in BertForMaskedLM.
        block: our module -> theirs; one name with `|` stands for three.
        embedding_norm, embedding_projection, pooler, segments: of the encoder, "" where there is none.
        masked_lm: the modules of the masked-LM head (transform, norm), and the name of its bias.
        copies: arrays that repeat others when weights are tied: name -> name.
        classifier_pooler: the map before the last one of a classification head; "" where it is the encoder's pooler.
        classifier: the last map of a classification head.
        tagger, span: the heads at every token: a tag for each, and where an answer begins and ends.
        next_sentence: head of the pretraining, "" where there is none.
        left_out: beginnings of names of heads that we have no use for.
        counts_padding: positions begin behind the padding id, as in RoBERTa.
        skipped_positions: rows of the position table before the first token's; see `with_padding`.
        pooler_activation: of a classification head.
        masked_lm_activation: of the masked-LM head where it is not the encoder's.
        buffers: arrays that are no weights.
    """

    prefix: str
    class_prefix: str
    block: dict[str, str]
    masked_lm: tuple[str, str, str]
    copies: dict[str, str]
    classifier: str = "classifier"
    classifier_pooler: str = ""
    tagger: str = "classifier"
    span: str = "qa_outputs"
    embedding_norm: str = "embeddings.LayerNorm"
    embedding_projection: str = ""
    segments: str = "embeddings.token_type_embeddings.weight"
    pooler: str = "pooler.dense"
    next_sentence: str = ""
    left_out: tuple[str, ...] = ()
    counts_padding: bool = False
    skipped_positions: int = 0
    pooler_activation: str = "tanh"
    masked_lm_activation: str | None = None
    buffers: tuple[str, ...] = field(default=("embeddings.position_ids", "embeddings.token_type_ids"))


_BERT_BLOCK = {
    "attention/qkv": "encoder.layer.{i}.attention.self.query|key|value",
    "attention/output_projection": "encoder.layer.{i}.attention.output.dense",
    "attention_norm": "encoder.layer.{i}.attention.output.LayerNorm",
    "feed_forward/expansion": "encoder.layer.{i}.intermediate.dense",
    "feed_forward/contraction": "encoder.layer.{i}.output.dense",
    "feed_forward_norm": "encoder.layer.{i}.output.LayerNorm",
}
_DISTILBERT_BLOCK = {
    "attention/qkv": "transformer.layer.{i}.attention.q_lin|k_lin|v_lin",
    "attention/output_projection": "transformer.layer.{i}.attention.out_lin",
    "attention_norm": "transformer.layer.{i}.sa_layer_norm",
    "feed_forward/expansion": "transformer.layer.{i}.ffn.lin1",
    "feed_forward/contraction": "transformer.layer.{i}.ffn.lin2",
    "feed_forward_norm": "transformer.layer.{i}.output_layer_norm",
}
_ALBERT = "encoder.albert_layer_groups.0.albert_layers.0."
_ALBERT_BLOCK = {
    "attention/qkv": _ALBERT + "attention.query|key|value",
    "attention/output_projection": _ALBERT + "attention.dense",
    "attention_norm": _ALBERT + "attention.LayerNorm",
    "feed_forward/expansion": _ALBERT + "ffn",
    "feed_forward/contraction": _ALBERT + "ffn_output",
    "feed_forward_norm": _ALBERT + "full_layer_layer_norm",
}
# More than any published model has: a config is a file like any other.
MOST_LAYERS, MOST_SEGMENTS = 1000, 100_000
WORDS = "embeddings.word_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"

FAMILIES = {
    "bert": Family(
        prefix="bert.",
        class_prefix="Bert",
        block=_BERT_BLOCK,
        masked_lm=("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"),
        copies={"cls.predictions.decoder.weight": WORDS, "cls.predictions.decoder.bias": "cls.predictions.bias"},
        next_sentence="cls.seq_relationship",
    ),
    "distilbert": Family(
        prefix="distilbert.",
        class_prefix="DistilBert",
        block=_DISTILBERT_BLOCK,
        masked_lm=("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),
        copies={"vocab_projector.weight": WORDS},
        classifier_pooler="pre_classifier",
        segments="",
        pooler="",
        pooler_activation="relu",
    ),
    "roberta": Family(
        prefix="roberta.",
        class_prefix="Roberta",
        block=_BERT_BLOCK,
        masked_lm=("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),
        copies={"lm_head.decoder.weight": WORDS, "lm_head.decoder.bias": "lm_head.bias"},
        classifier="classifier.out_proj",
        classifier_pooler="classifier.dense",
        counts_padding=True,
        masked_lm_activation="gelu",
    ),
    "electra": Family(
        prefix="electra.",
        class_prefix="Electra",
        block=_BERT_BLOCK,
        masked_lm=("generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias"),
        copies={"generator_lm_head.weight": WORDS},
        classifier="classifier.out_proj",
        classifier_pooler="classifier.dense",
        embedding_projection="embeddings_project",
        pooler="",
        pooler_activation="gelu",
        masked_lm_activation="gelu",
        left_out=("discriminator_predictions.",),
    ),
    "albert": Family(
        prefix="albert.",
        class_prefix="Albert",
        block=_ALBERT_BLOCK,
        masked_lm=("predictions.dense", "predictions.LayerNorm", "predictions.bias"),
        copies={"predictions.decoder.weight": WORDS, "predictions.decoder.bias": "predictions.bias"},
        embedding_projection="encoder.embedding_hidden_mapping_in",
        pooler="pooler",
        left_out=("sop_classifier.",),
    ),
}
# Other names of the same thing.
FAMILY_OF = {**{name: name for name in FAMILIES}, "xlm-roberta": "roberta", "camembert": "roberta"}


def with_padding(family: Family, pad_id: int) -> Family:
    """Return the family for a model whose padding has this id: RoBERTa's positions begin behind it."""
    return dataclasses.replace(family, skipped_positions=pad_id + 1 if family.counts_padding else 0)


def check_sizes(config: EncoderConfig, family: Family, arrays: Mapping[str, np.ndarray]) -> None:
    """Compare what decides the size of a model with its arrays, before anything of that size is made.

    Raises:
        CheckpointError: they disagree.
    """
    query = next(iter(family.block.values())).partition("|")[0].replace("{i}", "0") + ".weight"
    narrow = config.embedding_dim or config.hidden_dim
    expected = {
        WORDS: (config.vocabulary_size, narrow),
        POSITIONS: (config.max_sequence_length + family.skipped_positions, narrow),
        query: (config.hidden_dim, config.hidden_dim),
        family.block["feed_forward/expansion"].replace("{i}", "0") + ".weight": (
            config.intermediate_dim,
            config.hidden_dim,
        ),
    }
    wrong = [
        f"{name} has shape {tuple(arrays[name].shape)}, expected {shape}"
        for name, shape in expected.items()
        if name in arrays and tuple(arrays[name].shape) != shape
    ]
    wrong += [f"{name} is missing" for name in expected if name not in arrays]
    if not config.share_layers and config.num_layers > len(arrays):
        wrong.append(f"there are {len(arrays)} arrays, too few for {config.num_layers} layers")
    if config.num_layers > MOST_LAYERS or config.num_segments > MOST_SEGMENTS:
        wrong.append(f"{config.num_layers} layers and {config.num_segments} segments are no model")
    if wrong:
        raise CheckpointError(f"config.json and the weights disagree, {len(wrong)} mismatches: {'; '.join(wrong)}")


def rules(family: Family, config: EncoderConfig, task: str) -> list[Rule]:
    """Return a rule for every weight of the model of `task`."""
    found = [Rule("token_embedding/table", (WORDS,)), *_position_rules(family)]
    found += _norm("input_embeddings/norm", family.embedding_norm)
    if config.embedding_dim is not None:
        found += _linear("embedding_projection", family.embedding_projection)
    for index in range(1 if config.share_layers else config.num_layers):
        for ours, theirs in family.block.items():
            make = _norm if ours.endswith("norm") else _linear
            found += make(f"encoder_block_{index}/{ours}", theirs.replace("{i}", str(index)))
    return [*found, *_head_rules(family, config, task)]


def _position_rules(family: Family) -> Iterator[Rule]:
    yield position_rule("input_embeddings/positions", POSITIONS, family.skipped_positions)
    if family.segments:
        yield Rule("input_embeddings/segments", (family.segments,))


def position_rule(ours: str, theirs: str, skipped: int) -> Rule:
    """Return the rule of a position table whose first rows no token has."""
    return Rule(ours, (theirs,), AFTER_FIRST if skipped else SAME, skipped)


def _head_rules(family: Family, config: EncoderConfig, task: str) -> list[Rule]:
    found: list[Rule] = []
    if task in ("classification", "multi_label", "regression"):
        found += _linear("pooler/projection", family.classifier_pooler or family.pooler)
        found += _linear("classifier_head", family.classifier)
    if (task == "encoder" and config.has_pooler) or task == "pretraining":
        found += _linear("pooler/projection", family.pooler)
    if task in ("masked_lm", "pretraining"):
        dense, norm, bias = family.masked_lm
        found += [*_linear("masked_lm_head/transform", dense), *_norm("masked_lm_head/norm", norm)]
        found.append(Rule("masked_lm_head/bias", (bias,)))
    if task == "pretraining":
        found += _linear("next_sentence_head", family.next_sentence)
    if task == "tagging":
        found += _linear("tagger_head", family.tagger)
    if task == "span":
        found += _linear("span_head", family.span)
    return found


def _linear(ours: str, theirs: str) -> list[Rule]:
    if not theirs:
        raise CheckpointError(f"models of this family have no {ours}")
    names = alternatives(theirs)
    joined = len(names) > 1
    return [
        Rule(f"{ours}/kernel", tuple(f"{name}.weight" for name in names), JOINED_TRANSPOSED if joined else TRANSPOSED),
        Rule(f"{ours}/bias", tuple(f"{name}.bias" for name in names), JOINED if joined else SAME),
    ]


def _norm(ours: str, theirs: str) -> list[Rule]:
    return [Rule(f"{ours}/gamma", (f"{theirs}.weight",)), Rule(f"{ours}/beta", (f"{theirs}.bias",))]


def alternatives(name: str) -> list[str]:
    """Return the names of maps that are one here: a.b|c|d -> a.b, a.c, a.d."""
    path, _, last = name.rpartition(".")
    return [f"{path}.{part}" if path else part for part in last.split("|")]
