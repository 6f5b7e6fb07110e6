"""Hugging Face's names of the weights of models that write, beside ours: one table for each architecture."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from kerastx.checkpoint.huggingface_names import (
    JOINED,
    JOINED_TRANSPOSED,
    MOST_LAYERS,
    ROW,
    SAME,
    TRANSPOSED,
    Rule,
    alternatives,
    position_rule,
)
from kerastx.errors import CheckpointError
from kerastx.models.decoder_config import GeneratorConfig, Seq2SeqConfig

OUTPUT_BIAS = "vocabulary_logits/bias"
OUTPUT_TABLE = "vocabulary_logits/output_embedding"


@dataclass(frozen=True)
class Writer:
    """How one architecture of Hugging Face that writes names its modules.

    Attributes:
        task: ours.
        modules: our module -> theirs, `{i}` being the number of a block; several names with `|` are one map here.
        prefix: of names in files of models with a head.
        copies: arrays that repeat others: name -> name.
        buffers: a pattern of the names of arrays that are no weights.
        output_bias: of the logits, theirs; "" where there is none.
        kernels_as_ours: linear maps are (in, out), as GPT-2's Conv1D has them.
        skipped_positions: rows of position tables before the first token's.
        zero_biases: beginnings of our modules in a block that have a bias here and none there.
    """

    task: str
    modules: dict[str, str]
    prefix: str = ""
    copies: dict[str, str] = field(default_factory=dict)
    buffers: str = r"(?!)"
    output_bias: str = ""
    kernels_as_ours: bool = False
    skipped_positions: int = 0
    zero_biases: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Their name of the table of what is written."""
        return f"{self.modules['token_embedding']}.weight"

    @property
    def output(self) -> str:
        """Their name of the table that logits come from, where it is another."""
        return f"{self.modules[OUTPUT_TABLE]}.weight"


_GPT2 = {
    "token_embedding": "wte",
    "decoder_embeddings": "wpe",
    "decoder_block_{i}/attention/qkv": "h.{i}.attn.c_attn",
    "decoder_block_{i}/attention/output_projection": "h.{i}.attn.c_proj",
    "decoder_block_{i}/attention_norm": "h.{i}.ln_1",
    "decoder_block_{i}/feed_forward/expansion": "h.{i}.mlp.c_fc",
    "decoder_block_{i}/feed_forward/contraction": "h.{i}.mlp.c_proj",
    "decoder_block_{i}/feed_forward_norm": "h.{i}.ln_2",
    "decoder_norm": "ln_f",
    OUTPUT_TABLE: "lm_head",
}
_LLAMA = {
    "token_embedding": "embed_tokens",
    "decoder_block_{i}/attention/qkv": "layers.{i}.self_attn.q_proj|k_proj|v_proj",
    "decoder_block_{i}/attention/output_projection": "layers.{i}.self_attn.o_proj",
    "decoder_block_{i}/attention_norm": "layers.{i}.input_layernorm",
    "decoder_block_{i}/feed_forward/expansion": "layers.{i}.mlp.gate_proj|up_proj",
    "decoder_block_{i}/feed_forward/contraction": "layers.{i}.mlp.down_proj",
    "decoder_block_{i}/feed_forward_norm": "layers.{i}.post_attention_layernorm",
    "decoder_norm": "norm",
    OUTPUT_TABLE: "lm_head",
}


def _t5_side(side: str, *, expansion: str) -> dict[str, str]:
    block, last = f"{side}.block.{{i}}.layer", 2 if side == "decoder" else 1
    modules = {
        f"{side}_position_bias": f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias",
        f"{side}_block_{{i}}/attention/qkv": f"{block}.0.SelfAttention.q|k|v",
        f"{side}_block_{{i}}/attention/output_projection": f"{block}.0.SelfAttention.o",
        f"{side}_block_{{i}}/attention_norm": f"{block}.0.layer_norm",
        f"{side}_block_{{i}}/feed_forward/expansion": f"{block}.{last}.DenseReluDense.{expansion}",
        f"{side}_block_{{i}}/feed_forward/contraction": f"{block}.{last}.DenseReluDense.wo",
        f"{side}_block_{{i}}/feed_forward_norm": f"{block}.{last}.layer_norm",
        f"{side}_norm": f"{side}.final_layer_norm",
    }
    if side == "decoder":
        modules |= _cross_attention(f"{block}.1.EncDecAttention", "q", "k|v", "o", f"{block}.1.layer_norm")
    return modules


def _bart_side(side: str) -> dict[str, str]:
    layer = f"{side}.layers.{{i}}"
    modules = {
        f"{side}_embeddings": f"{side}.embed_positions",
        f"{side}_embeddings/norm": f"{side}.layernorm_embedding",
        f"{side}_block_{{i}}/attention/qkv": f"{layer}.self_attn.q_proj|k_proj|v_proj",
        f"{side}_block_{{i}}/attention/output_projection": f"{layer}.self_attn.out_proj",
        f"{side}_block_{{i}}/attention_norm": f"{layer}.self_attn_layer_norm",
        f"{side}_block_{{i}}/feed_forward/expansion": f"{layer}.fc1",
        f"{side}_block_{{i}}/feed_forward/contraction": f"{layer}.fc2",
        f"{side}_block_{{i}}/feed_forward_norm": f"{layer}.final_layer_norm",
    }
    if side == "decoder":
        norm = f"{layer}.encoder_attn_layer_norm"
        modules |= _cross_attention(f"{layer}.encoder_attn", "q_proj", "k_proj|v_proj", "out_proj", norm)
    return modules


def _cross_attention(module: str, query: str, key_value: str, output: str, norm: str) -> dict[str, str]:
    return {
        "decoder_block_{i}/cross_attention/query": f"{module}.{query}",
        "decoder_block_{i}/cross_attention/key_value": f"{module}.{key_value}",
        "decoder_block_{i}/cross_attention/output_projection": f"{module}.{output}",
        "decoder_block_{i}/cross_attention_norm": norm,
    }


def _t5(*, expansion: str) -> Writer:
    sides = {**_t5_side("encoder", expansion=expansion), **_t5_side("decoder", expansion=expansion)}
    return Writer(
        task="seq2seq",
        modules={"token_embedding": "shared", OUTPUT_TABLE: "lm_head", **sides},
        copies={f"{side}.embed_tokens.weight": "shared.weight" for side in ("encoder", "decoder")},
        # Made by early versions, and never read.
        buffers=r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",
    )


_BART_SIDES = {**_bart_side("encoder"), **_bart_side("decoder")}
_BART = Writer(
    task="seq2seq",
    prefix="model.",
    modules={"token_embedding": "shared", OUTPUT_TABLE: "lm_head", **_BART_SIDES},
    copies={f"{side}.embed_tokens.weight": "shared.weight" for side in ("encoder", "decoder")},
    buffers=r"(encoder|decoder)\.version",
    output_bias="final_logits_bias",
    skipped_positions=2,
)
_SINUSOIDS = r"(encoder|decoder)\.embed_positions\.weight"

# model_type -> task.
WRITING_MODELS = {
    **dict.fromkeys(("gpt2", "llama", "qwen2"), "language_model"),
    **dict.fromkeys(("t5", "marian", "bart"), "seq2seq"),
}
WRITERS = {
    "gpt2": Writer(
        task="language_model",
        prefix="transformer.",
        modules=_GPT2,
        buffers=r"h\.\d+\.attn\.(masked_)?bias",
        kernels_as_ours=True,
    ),
    "llama": Writer(
        task="language_model",
        prefix="model.",
        modules=_LLAMA,
        buffers=r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq",
    ),
    "t5": _t5(expansion="wi"),
    "t5-gated": _t5(expansion="wi_0|wi_1"),
    "bart": _BART,
    "marian": dataclasses.replace(_BART, buffers=_SINUSOIDS, skipped_positions=0),
    "marian-two-tables": Writer(
        task="seq2seq",
        prefix="model.",
        modules={
            "token_embedding": "decoder.embed_tokens",
            "source_embedding": "encoder.embed_tokens",
            OUTPUT_TABLE: "lm_head",
            **_BART_SIDES,
        },
        buffers=_SINUSOIDS,
        output_bias="final_logits_bias",
    ),
}


def writer_rules(writer: Writer, config: GeneratorConfig, paths: Iterable[str]) -> list[Rule]:
    """Return a rule for each weight of a model, given by the `variable.path`s; one without names is of zeros."""
    return [_rule(path, writer, config) for path in paths]


def _rule(path: str, writer: Writer, config: GeneratorConfig) -> Rule:
    if path == OUTPUT_BIAS and writer.output_bias:
        return Rule(path, (writer.output_bias,), ROW)
    module, _, leaf = path.rpartition("/")
    number = re.search(r"_block_(\d+)/", module)
    general = module if number is None else module.replace(number[0], "_block_{i}/")
    if general not in writer.modules:
        raise CheckpointError(f"no names are known for {path}")
    names = alternatives(writer.modules[general].replace("{i}", "" if number is None else number[1]))
    if leaf == "bias" and general.partition("/")[2].startswith(writer.zero_biases or "\0"):
        return Rule(path, ())
    theirs = tuple(f"{name}.{'bias' if leaf in ('bias', 'beta') else 'weight'}" for name in names)
    widths = _query_key_value(config) if len(names) == 3 else ()
    if leaf == "kernel":
        how = JOINED_TRANSPOSED if len(names) > 1 else SAME if writer.kernels_as_ours else TRANSPOSED
        return Rule(path, theirs, how, widths=widths)
    if leaf == "positions":
        return position_rule(path, theirs[0], writer.skipped_positions)
    return Rule(path, theirs, JOINED if len(names) > 1 else SAME, widths=widths)


def _query_key_value(config: GeneratorConfig) -> tuple[int, int, int]:
    key = config.kv_heads * config.head_size
    return (config.num_heads * config.head_size, key, key)


def check_writer_sizes(writer: Writer, config: GeneratorConfig, arrays: Mapping[str, np.ndarray]) -> None:
    """Compare what decides the size of a model with its arrays, before anything of that size is made.

    Raises:
        CheckpointError: they disagree.
    """
    query = _query_key_value(config)
    widths = {
        "attention/qkv": sum(query) if writer.kernels_as_ours else query[0],
        "feed_forward/expansion": config.intermediate_dim,
    }
    expected = {writer.words: (config.vocabulary_size, config.hidden_dim)}
    for side in ("encoder", "decoder") if isinstance(config, Seq2SeqConfig) else ("decoder",):
        if config.positions == "learned":
            places = config.max_sequence_length + writer.skipped_positions
            expected[_name(writer, f"{side}_embeddings")] = (places, config.hidden_dim)
        if config.positions == "relative":
            expected[_name(writer, f"{side}_position_bias")] = (config.num_buckets, config.num_heads)
        for module, width in widths.items():
            shape = (config.hidden_dim, width) if writer.kernels_as_ours else (width, config.hidden_dim)
            expected[_name(writer, f"{side}_block_{{i}}/{module}")] = shape
    if isinstance(config, Seq2SeqConfig) and config.source_vocabulary_size is not None:
        expected[_name(writer, "source_embedding")] = (config.source_vocabulary_size, config.hidden_dim)
    wrong = [
        f"{name} has shape {tuple(arrays[name].shape)}, expected {shape}"
        for name, shape in expected.items()
        if name in arrays and tuple(arrays[name].shape) != shape
    ]
    wrong += [f"{name} is missing" for name in expected if name not in arrays]
    layers = max(config.num_layers, getattr(config, "num_decoder_layers", None) or 0)
    if layers > len(arrays) or layers > MOST_LAYERS:
        wrong.append(f"there are {len(arrays)} arrays, too few for {layers} layers")
    if wrong:
        raise CheckpointError(f"config.json and the weights disagree, {len(wrong)} mismatches: {'; '.join(wrong)}")


def _name(writer: Writer, module: str) -> str:
    """Return their name of a module's first map, in the first block."""
    return f"{alternatives(writer.modules[module].replace('{i}', '0'))[0]}.weight"
