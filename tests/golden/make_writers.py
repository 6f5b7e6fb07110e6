"""Make the golden files of models that write: random models of transformers, with their logits and what they write.

    python tests/golden/make_writers.py [NAME ...]     (torch, transformers and sentencepiece)

Each folder is a Hugging Face folder as users have it, and beside it writing.npz, token ids with their logits, and
writing.json, texts with their token ids and what is written for them, greedily and with four beams.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
import writing_tokenizers

HERE = Path(__file__).resolve().parent
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 48}
LLAMA = {
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 48,
}
T5 = {"d_model": 16, "d_kv": 6, "d_ff": 24, "num_layers": 2, "num_decoder_layers": 1, "num_heads": 2}
T5 |= {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 12}
T5 |= {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0, "n_positions": 40}
BART = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "max_position_embeddings": 40}
BART |= dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
BART |= dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 24)
MARIAN = {**BART, "activation_function": "swish", "scale_embedding": True, "static_position_embeddings": True}
MARIAN |= {"normalize_embedding": False, "eos_token_id": 0, "forced_eos_token_id": None}

# folder -> (class, tokenizer, its class, config); token ids are given by their names.
MODELS = {
    "gpt2": ("GPT2LMHeadModel", "gpt2", "GPT2Tokenizer", GPT2 | {"bos": "<|endoftext|>", "eos": "<|endoftext|>"}),
    "llama": (
        "LlamaForCausalLM",
        "llama2",
        "PreTrainedTokenizerFast",
        LLAMA | {"bos": "<s>", "eos": "</s>", "pad": "</s>"},
    ),
    "llama-3": (
        "LlamaForCausalLM",
        "llama3",
        "PreTrainedTokenizerFast",
        LLAMA
        | {"bos": "<|begin_of_text|>", "eos": ["<|end_of_text|>", "<|eot_id|>"], "rope_theta": 500000.0}
        | {"attention_bias": True, "head_dim": 6},
    ),
    "smollm": (
        "LlamaForCausalLM",
        "smollm",
        "PreTrainedTokenizerFast",
        LLAMA | {"bos": "<|endoftext|>", "eos": "<|endoftext|>", "tie_word_embeddings": True, "mlp_bias": True},
    ),
    "qwen2": (
        "Qwen2ForCausalLM",
        "qwen2",
        "Qwen2Tokenizer",
        LLAMA | {"bos": "<|endoftext|>", "eos": ["<|im_end|>", "<|endoftext|>"], "pad": "<|endoftext|>", "longer": 6},
    ),
    "t5": ("T5ForConditionalGeneration", "t5", "T5Tokenizer", T5 | {"longer": 5}),
    "t5-gated": (
        "T5ForConditionalGeneration",
        "t5",
        "T5Tokenizer",
        T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "marian": ("MarianMTModel", "marian", "MarianTokenizer", MARIAN),
    "marian-two-tables": (
        "MarianMTModel",
        "marian",
        "MarianTokenizer",
        MARIAN | {"share_encoder_decoder_embeddings": False},
    ),
    "bart": (
        "BartForConditionalGeneration",
        "bart",
        "BartTokenizer",
        BART | {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "forced_bos_token_id": 0, "forced_eos_token_id": None},
    ),
}
NEW_TOKENS = 12
PROMPTS = ["The owner", "He said that the things", "a", "今天 2024"]


def make_tokenizer(kind: str, class_name: str, folder: Path, special: dict[str, str]):
    """Write the tokenizer's files as transformers does, and return what AutoTokenizer reads."""
    config = {"tokenizer_class": class_name, "model_max_length": 40, **special}
    if kind == "marian":
        two = "two" in folder.name
        writing_tokenizers.write_marian(folder, two_vocabularies=two)
        config |= {"separate_vocabs": two, "source_lang": "eng", "target_lang": "fra"}
    else:
        getattr(writing_tokenizers, kind)().save(str(folder / "tokenizer.json"))
    if kind == "t5":
        config["extra_ids"] = 3
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def token_ids_of(values: dict, vocabulary: dict[str, int]) -> dict:
    """Replace the names of tokens by config.json's keys and ids."""
    found = dict(values)
    for role in ("bos", "eos", "pad"):
        if role in found:
            names = found.pop(role)
            ids = [vocabulary[name] for name in ([names] if isinstance(names, str) else names)]
            found[f"{role}_token_id"] = ids[0] if len(ids) == 1 else ids
    return found


def random_model(class_name: str, values: dict, seed: int):
    model_class = getattr(transformers, class_name)
    torch.manual_seed(seed)
    model = model_class(model_class.config_class(**values)).eval()
    if values.get("tie_word_embeddings") is False:  # transformers ties T5's; its published files have two tables
        model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    with torch.no_grad():
        for parameter in filter(lambda one: one.requires_grad, model.parameters()):  # not Marian's sines
            parameter.add_(0.3 * torch.randn_like(parameter))
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.add_(torch.randn_like(model.final_logits_bias))
    return model


def inputs_of(size: int, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Return three rows, full, padded by half, of two tokens, and their mask."""
    mask = np.arange(9) < np.array([9, 5, 2])[:, None]
    return np.where(mask, np.random.default_rng(4).integers(3, size, mask.shape), pad), mask


def logits_of(model, *, sizes: tuple[int, int], pad: int) -> dict[str, np.ndarray]:
    token_ids, mask = inputs_of(sizes[1], pad)
    arrays = {"token_ids": token_ids, "padding_mask": mask}
    arguments = {"input_ids": token_ids, "attention_mask": mask}
    if model.config.is_encoder_decoder:
        source, source_mask = inputs_of(sizes[0], pad)
        source, source_mask = source[::-1].copy(), source_mask[::-1].copy()
        arguments = {"input_ids": source, "attention_mask": source_mask, "decoder_input_ids": token_ids}
        arrays = {f"target_{name}": array for name, array in arrays.items()}
        arrays |= {"source_token_ids": source, "source_padding_mask": source_mask}
    with torch.no_grad():
        logits = model(**{name: torch.tensor(array.astype(np.int64)) for name, array in arguments.items()}).logits
    return {**arrays, "logits": logits.numpy()}


def written(model, ids: list[int], never: list[int], **options) -> list[int]:
    begin = len(ids)
    if model.config.is_encoder_decoder:
        begin = 1
    with torch.no_grad():
        found = model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones((1, len(ids)), dtype=torch.long),
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            suppress_tokens=never or None,
            **options,
        )[0, begin:].tolist()
    end = model.generation_config.eos_token_id
    ends = end if isinstance(end, list) else [end]
    places = [place for place, token in enumerate(found) if token in ends]
    return found[: places[0] + 1] if places else found


def end_instead(model, token: int, end: int) -> None:
    """Let texts end where a token would have been written: the two change places in the tables."""
    tables = {id(table): table for table in (model.get_output_embeddings().weight, model.get_input_embeddings().weight)}
    with torch.no_grad():
        for table in tables.values():
            table[[token, end]] = table[[end, token]]
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias[:, [token, end]] = model.final_logits_bias[:, [end, token]]


def make(name: str, folder: Path) -> None:
    class_name, kind, tokenizer_class, values = MODELS[name]
    special = {f"{role}_token": values[role] for role in ("bos", "eos", "pad") if isinstance(values.get(role), str)}
    make_tokenizer(kind, tokenizer_class, folder, special)
    (folder / "config.json").write_text(json.dumps({"model_type": name.partition("-")[0].replace("smollm", "llama")}))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    vocabulary = tokenizer.get_vocab()
    sizes = (len(vocabulary), len(vocabulary))
    values = token_ids_of(values, vocabulary)
    if kind == "marian":
        pad = vocabulary["<pad>"]
        values |= {"pad_token_id": pad, "decoder_start_token_id": pad, "decoder_vocab_size": len(vocabulary)}
    values["vocab_size"] = len(vocabulary) + values.pop("longer", 0)
    ends = values["eos_token_id"] if isinstance(values["eos_token_id"], list) else [values["eos_token_id"]]
    pad = values.get("pad_token_id", ends[0])
    roles = {pad, *(vocabulary[token] for token in ("<unk>", "<mask>") if token in vocabulary)}
    if "decoder_start_token_id" not in values:
        roles |= {values["bos_token_id"]}
    never = sorted({*roles, *range(len(vocabulary), values["vocab_size"])} - {*ends})
    inputs = [tokenizer(text)["input_ids"] for text in PROMPTS]
    if values.get("forced_bos_token_id") in never:  # it is written once
        never.remove(values["forced_bos_token_id"])
    for seed in range(10):
        model = random_model(class_name, values, seed)
        model.generation_config.forced_bos_token_id = values.get("forced_bos_token_id")
        model.generation_config.pad_token_id = pad
        end_instead(model, written(model, inputs[0], [*never, *ends], num_beams=1)[5], ends[-1])
        greedy = [written(model, ids, never, num_beams=1) for ids in inputs]
        if 1 <= sum(row[-1] in ends for row in greedy) < len(greedy) and len(set(map(tuple, greedy))) > 1:
            break
    else:
        raise SystemExit(f"{name}: no seed gives texts that end")
    model.save_pretrained(folder)
    beams = [written(model, ids, never, num_beams=4) for ids in inputs]
    values = {
        "texts": [{"text": text, "token_ids": tokenizer(text)["input_ids"]} for text in writing_tokenizers.TEXTS],
        "prompts": PROMPTS,
        "greedy": greedy,
        "beams": beams,
    }
    (folder / "writing.json").write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")
    np.savez_compressed(folder / "writing.npz", **logits_of(model, sizes=sizes, pad=pad))


def main() -> None:
    for name in sys.argv[1:] or MODELS:
        folder = HERE / "writers" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(name, folder)
        print(f"{name}: {sum(file.stat().st_size for file in folder.iterdir()):,} bytes")


if __name__ == "__main__":
    main()
