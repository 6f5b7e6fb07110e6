"""transformers' BertForPreTraining, trained by PyTorch."""

from __future__ import annotations

import contextlib

import numpy as np
import pretrainer
import protocol
import torch
from bert_torch import encoder_arrays, load_arrays
from classifier import read_weights
from transformers import BertConfig, BertForPreTraining

IGNORED = -100  # the label that transformers does not count


class TorchPretraining:
    """Options: folder, sizes, precision ("float32", or "bfloat16" by autocast)."""

    def __init__(self, options: dict):
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
        torch.manual_seed(1)
        self.sizes = options["sizes"]
        self.autocast = options["precision"] == "bfloat16"
        self.model = pretraining_model(options["folder"], self.sizes)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=pretrainer.LEARNING_RATE, weight_decay=0.01, fused=True
        )
        how = "`torch.autocast` to bfloat16" if self.autocast else "float32"
        self.facts = {
            "versions": protocol.versions("torch", "transformers"),
            "settings": f"eager, {how}, attention `sdpa`, `AdamW(fused=True)`, clipped global norm, 1 thread; "
            "projects every position onto the vocabulary",
        }
        left, right = (torch.from_numpy(array) for array in pretrainer.factors())
        left16, right16 = left.bfloat16(), right.bfloat16()
        self.matmuls = {
            "fp32": (lambda: left @ right, pretrainer.OPERATIONS),
            "bf16": (lambda: left16 @ right16, pretrainer.OPERATIONS),
        }

    def _precision(self):
        return torch.autocast("cpu", dtype=torch.bfloat16) if self.autocast else contextlib.nullcontext()

    def _inputs(self, rows: dict) -> dict:
        names = {"token_ids": "input_ids", "segment_ids": "token_type_ids", "padding_mask": "attention_mask"}
        inputs = {theirs: torch.from_numpy(rows[ours].astype(np.int64)) for ours, theirs in names.items()}
        labels = np.full(rows["token_ids"].shape, IGNORED, np.int64)
        np.put_along_axis(labels, rows["masked_positions"].astype(np.int64), rows["masked_labels"], axis=1)
        nsp = torch.from_numpy(rows["nsp_labels"].astype(np.int64))
        return {**inputs, "labels": torch.from_numpy(labels), "next_sentence_label": nsp}

    def answer(self, case: str) -> list:
        rows = pretrainer.batch(self.sizes, pretrainer.CHECK_ROWS)
        self.model.eval()
        with torch.inference_mode(), self._precision():
            found = self.model(**self._inputs(rows))
        positions = rows["masked_positions"].astype(np.int64)[..., None]
        masked_lm = np.take_along_axis(found.prediction_logits.float().numpy(), positions, axis=1)
        next_sentence = found.seq_relationship_logits.float().numpy()
        return pretrainer.answer(
            pretrainer.cross_entropy(masked_lm, rows["masked_labels"]),
            pretrainer.cross_entropy(next_sentence, rows["nsp_labels"]),
            next_sentence,
        )

    def call(self, case: str):
        inputs = self._inputs(pretrainer.batch(self.sizes))
        self.model.train()

        def step() -> None:
            self.optimizer.zero_grad(set_to_none=True)
            with self._precision():
                loss = self.model(**inputs).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), pretrainer.CLIP_NORM)
            self.optimizer.step()

        return step


def pretraining_model(folder: str, sizes: dict) -> BertForPreTraining:
    """Return the model with every parameter set."""
    model = BertForPreTraining(
        BertConfig(
            vocab_size=sizes["vocabulary_size"],
            hidden_size=sizes["hidden_dim"],
            num_hidden_layers=sizes["num_layers"],
            num_attention_heads=sizes["num_heads"],
            intermediate_size=sizes["intermediate_dim"],
            max_position_embeddings=sizes["max_sequence_length"],
            type_vocab_size=sizes["num_segments"],
            layer_norm_eps=sizes["epsilon"],
            hidden_act="gelu",
            hidden_dropout_prob=pretrainer.DROPOUT_RATE,
            attention_probs_dropout_prob=pretrainer.DROPOUT_RATE,
        )
    )
    weights = read_weights(folder)
    arrays = encoder_arrays(weights, sizes)
    for target, source in (
        ("cls.predictions.transform.dense", "masked_lm_head/transform"),
        ("cls.seq_relationship", "next_sentence_head"),
    ):
        arrays[f"{target}.weight"] = weights[f"{source}/kernel"].T
        arrays[f"{target}.bias"] = weights[f"{source}/bias"]
    arrays["cls.predictions.transform.LayerNorm.weight"] = weights["masked_lm_head/norm/gamma"]
    arrays["cls.predictions.transform.LayerNorm.bias"] = weights["masked_lm_head/norm/beta"]
    arrays["cls.predictions.bias"] = weights["masked_lm_head/bias"]
    return load_arrays(model, arrays)


if __name__ == "__main__":
    protocol.main(TorchPretraining)
