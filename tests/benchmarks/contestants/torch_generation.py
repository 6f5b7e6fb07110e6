"""transformers' GPT2LMHeadModel and its `generate`."""

from __future__ import annotations

import numpy as np
import protocol
import torch
import writer
from bert_torch import load_arrays
from classifier import read_weights
from transformers import GPT2Config, GPT2LMHeadModel


class TorchGeneration:
    """Options: folder, sizes."""

    def __init__(self, options: dict):
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
        self.sizes = options["sizes"]
        self.model = language_model(options["folder"], self.sizes)
        self.facts = {
            "versions": protocol.versions("torch", "transformers"),
            "settings": "`generate(do_sample=False)` with its cache, attention `sdpa`, `torch.set_num_threads(1)`",
        }
        left, right = (torch.from_numpy(array) for array in writer.factors())
        self.matmuls = {"fp32": (lambda: left @ right, writer.FACTOR_OPERATIONS)}

    def _write(self, prompt: np.ndarray, case: str) -> list[int]:
        token_ids = torch.from_numpy(prompt.astype(np.int64))[None]
        with torch.inference_mode():
            found = self.model.generate(
                token_ids,
                attention_mask=torch.ones_like(token_ids),
                min_new_tokens=writer.NEW_TOKENS,
                max_new_tokens=writer.NEW_TOKENS,
                do_sample=False,
                num_beams=writer.BEAMS if case == "beams" else 1,
                eos_token_id=None,
                pad_token_id=0,
            )
        return found[0, len(prompt) :].tolist()

    def answer(self, case: str) -> list:
        return [self._write(prompt, case) for prompt in writer.prompts(self.sizes)]

    def call(self, case: str):
        prompt = writer.prompts(self.sizes)[0]
        return lambda: self._write(prompt, case)


def language_model(folder: str, sizes: dict) -> GPT2LMHeadModel:
    """Return it in eval mode; every parameter is set, or this is an error."""
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=sizes["vocabulary_size"],
            n_positions=sizes["max_sequence_length"],
            n_embd=sizes["hidden_dim"],
            n_layer=sizes["num_layers"],
            n_head=sizes["num_heads"],
            n_inner=sizes["intermediate_dim"],
            layer_norm_epsilon=sizes["epsilon"],
            activation_function="gelu_new",
        )
    )
    weights = read_weights(folder)
    table = weights["token_embedding/table"]
    arrays = {
        "transformer.wte.weight": table,
        "transformer.wpe.weight": weights["decoder_embeddings/positions"],
        "lm_head.weight": table,
    }

    def norm(target: str, source: str) -> None:
        arrays[f"{target}.weight"], arrays[f"{target}.bias"] = weights[f"{source}/gamma"], weights[f"{source}/beta"]

    for index in range(sizes["num_layers"]):
        ours, theirs = f"decoder_block_{index}", f"transformer.h.{index}"
        norm(f"{theirs}.ln_1", f"{ours}/attention_norm")
        norm(f"{theirs}.ln_2", f"{ours}/feed_forward_norm")
        for target, source in (
            ("attn.c_attn", "attention/qkv"),
            ("attn.c_proj", "attention/output_projection"),
            ("mlp.c_fc", "feed_forward/expansion"),
            ("mlp.c_proj", "feed_forward/contraction"),
        ):
            # GPT-2 keeps its kernels as we do: (in, out).
            arrays[f"{theirs}.{target}.weight"] = weights[f"{ours}/{source}/kernel"]
            arrays[f"{theirs}.{target}.bias"] = weights[f"{ours}/{source}/bias"]
    norm("transformer.ln_f", "decoder_norm")
    return load_arrays(model, arrays).eval()


if __name__ == "__main__":
    protocol.main(TorchGeneration)
