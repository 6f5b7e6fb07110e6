"""Write the shared weights of models that write, our files of them, and what Keras writes: FOLDER OPTIONS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import translator
import writer
from kerastx_files import tokenizer

from kerastx.checkpoint.store import Checkpoint
from kerastx.checkpoint.weights import assign_weights
from kerastx.layers.sinusoidal import sinusoidal_positions
from kerastx.models.decoder_config import LanguageModelConfig, Seq2SeqConfig
from kerastx.models.language_model import LanguageModel
from kerastx.models.seq2seq import Seq2Seq
from kerastx.models.steps import Steps
from kerastx.runtime.text_probabilities import of_tokens
from kerastx_export.export import export_checkpoint


def model_of(task: str, sizes: dict) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """Return the model and its weights."""
    if task == "language_model":
        return LanguageModel(LanguageModelConfig.preset("gpt2-small", **sizes)), writer.random_weights(sizes)
    return Seq2Seq(Seq2SeqConfig.preset("transformer-small", **sizes)), translator.random_weights(sizes)


def translations(model: keras.Model, sizes: dict) -> dict[str, list]:
    """Return what Keras writes for the source, see `translator.read`."""
    steps, row = Steps(model), translator.source(sizes)[None]
    begin, mask = np.zeros((1, 1), np.int32), np.ones(row.shape, bool)
    inputs = {"source": steps.encode(row, mask), "room": np.array([translator.NEW_TOKENS])}
    ((greedy, _),) = steps.greedy(begin, begin, **inputs)
    ((beams, _),) = steps.beams(begin, begin, num_beams=writer.BEAMS, **inputs)
    read = np.array([[0, *greedy[:-1]]], np.int32)
    logits = model(
        {
            "source_token_ids": row,
            "source_padding_mask": mask,
            "target_token_ids": read,
            "target_padding_mask": np.ones(read.shape, bool),
        }
    )["logits"]
    found = of_tokens(np.asarray(logits)[0], np.array(greedy))
    return {"greedy": greedy, "beams": beams, "log_probabilities": found.tolist()}


def main(folder: Path, task: str, sizes: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model, weights = model_of(task, sizes)
    assign_weights(model.weights, weights, source="the shared weights")
    if task == "seq2seq":
        places = np.arange(sizes["max_sequence_length"], dtype=np.int32)[None]
        weights["positions"] = np.asarray(sinusoidal_positions(places, sizes["hidden_dim"]))[0]
        (folder / "keras.json").write_text(json.dumps(translations(model, sizes)))
    np.savez(folder / "weights.npz", **weights)
    checkpoint = Checkpoint(
        model=model,
        tokenizer=tokenizer(sizes["vocabulary_size"]),
        config=model.config,
        task=task,
        max_length=sizes["max_sequence_length"],
    )
    for recipe in ("dynamic_wi8_afp32", "fp32"):
        export_checkpoint(checkpoint, folder / "ours", recipe=recipe, force=True)


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(1)
    main(Path(sys.argv[1]), **json.loads(sys.argv[2]))
