"""Fine-tuning a head for whole texts: `Model.fit` from a pretrained encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerastx.training.callbacks import MeanAccuracy, StopOnNaN
from kerastx.training.consistency import Consistency
from kerastx.training.layer_decay import layer_scales
from kerastx.training.losses import BinaryCrossEntropy, Distillation, cross_entropy
from kerastx.training.metrics import Accuracy, LabelAccuracy, TargetAccuracy
from kerastx.training.optimizers import adamw
from kerastx.training.similarity_losses import CoSent, InBatchNegatives

# What is watched on held-out rows: (name in the logs, which way is better).
WATCHED = {
    "classification": ("val_accuracy", "max"),
    "multi_label": ("val_loss", "min"),
    "regression": ("val_loss", "min"),
    "embedding": ("val_loss", "min"),
    "positives": ("val_loss", "min"),
    "triplets": ("val_loss", "min"),
    "tagging": ("val_loss", "min"),
    "span": ("val_accuracy", "max"),
}


def finetune(
    model: keras.Model,
    dataset: Any,
    *,
    task: str,
    epochs: int,
    learning_rate: float,
    accumulate: int = 1,
    layer_decay: float = 1.0,
    distillation: Distillation | None = None,
    consistency: float = 0.0,
    held_out: Any = None,
    patience: int = 2,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, float]:
    """Train `build_classifier`'s or `build_regressor`'s model and return the logs of the epoch that is kept.

    Args:
        model: trained in place.
        dataset: finite tf.data of (inputs, targets) or (inputs, targets, sample weights), with a known cardinality;
            see `classification_dataset`.
        task: "classification", "multi_label" or "regression"; of sentence vectors "embedding" (rated pairs),
            "positives" (texts that belong together) or "triplets" (and a third that does not); "tagging"; "span".
        epochs: passes over it, at most.
        learning_rate: peak of the schedule.
        accumulate: batches that make one update; what is left at the end and fills none is not learned from.
        layer_decay: factor of the learning rate from each layer to the one below.
        distillation: the loss, where the targets hold a teacher's logits.
        consistency: above 0, the two answers to a row, which differ by dropout, are drawn together with this weight;
            see `Consistency`. `dataset` and `held_out` must hold every row twice, and it takes nearly twice as long.
        held_out: finite tf.data of rows that are not trained on, scored after each pass. The weights of the best pass
            are kept, and training ends after `patience` passes without a better one.
        patience: see `held_out`.
        callbacks: to show progress.
    """
    batches = int(dataset.cardinality()) * epochs
    if accumulate > batches:
        raise ValueError(f"accumulate must be at most the {batches} batches of the training, got {accumulate}.")
    scales = None if layer_decay == 1.0 else layer_scales(model, layer_decay)
    losses, metrics = _losses_and_metrics(task, distillation)
    if consistency:
        losses = {output: Consistency(loss, task=task, weight=consistency) for output, loss in losses.items()}
    model.compile(
        adamw(learning_rate, batches // accumulate, accumulate=accumulate, scales=scales),
        loss=losses,
        loss_weights={output: 1 / len(losses) for output in losses},
        weighted_metrics=metrics,
        jit_compile=False,
    )
    # With its variables there already, TensorFlow traces the step once; otherwise twice, which takes seconds.
    model.optimizer.build(model.trainable_variables)
    watch = [] if held_out is None else [_keep_best(task, patience)]
    history = model.fit(
        dataset,
        epochs=epochs,
        validation_data=held_out,
        callbacks=[StopOnNaN(), MeanAccuracy(losses), *callbacks, *watch],
        verbose=0,
        shuffle=False,  # the dataset is shuffled already
    )
    kept = watch[0].best_epoch if watch else -1
    return {name: values[kept] for name, values in history.history.items()}


def _keep_best(task: str, patience: int) -> keras.callbacks.EarlyStopping:
    name, mode = WATCHED[task]
    return keras.callbacks.EarlyStopping(monitor=name, mode=mode, patience=patience, restore_best_weights=True)


def _losses_and_metrics(task: str, distillation: Distillation | None) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Return loss and metrics by output; the loss of several outputs is their mean."""
    if task == "embedding":
        return {"vector": CoSent()}, {"vector": []}
    if task in ("positives", "triplets"):
        return {"vector": InBatchNegatives(texts=2 if task == "positives" else 3)}, {"vector": []}
    if task == "regression":
        return {"score": keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")}, {"score": []}
    if task == "multi_label":
        return {"logits": BinaryCrossEntropy()}, {"logits": [LabelAccuracy()]}
    if task == "span":
        outputs = ("start_logits", "end_logits")
        return {name: cross_entropy() for name in outputs}, {name: [Accuracy()] for name in outputs}
    if distillation is not None:
        return {"logits": distillation}, {"logits": [TargetAccuracy()]}
    return {"logits": cross_entropy()}, {"logits": [Accuracy()]}


@dataclass(frozen=True)
class ScoreRange:
    """Where a regression's targets lie. It is trained on (y - mean) / deviation: the same rates serve any range.

    Attributes:
        mean, deviation: of the training targets; a deviation of 0 counts as 1.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, targets: np.ndarray) -> ScoreRange:
        return cls(float(targets.mean()), float(targets.std()) or 1.0)

    def standardized(self, targets: np.ndarray) -> np.ndarray:
        return ((targets - self.mean) / self.deviation).astype(np.float32)

    def restore(self, model: keras.Model) -> None:
        """Let a model that was trained on standardized targets answer in their range: its last map takes it over."""
        head = model.get_layer("classifier_head")
        head.kernel.assign(head.kernel * self.deviation)
        head.bias.assign(head.bias * self.deviation + self.mean)


def freeze_layers(model: keras.Model, count: int, *, embeddings: bool = False) -> None:
    """Leave the first `count` encoder blocks, and the embeddings below them, as they are: no gradient goes there.

    Args:
        model: with encoder blocks.
        count: of blocks.
        embeddings: leave the token embedding as it is also when no block is: it holds half of a small model's weights,
            and an update of all of them takes as long as the products of a short batch.

    Raises:
        ValueError: the model has fewer blocks.
    """
    blocks = [layer for layer in model.layers if layer.name.startswith("encoder_block_")]
    if not 0 <= count <= len(blocks):
        raise ValueError(f"expected 0 to {len(blocks)} frozen encoder blocks, got {count}.")
    below = ("token_embedding", "input_embeddings", "embedding_projection")
    names = below if count else below[:1] if embeddings else ()
    for layer in [*(layer for layer in model.layers if layer.name in names), *blocks[:count]]:
        layer.trainable = False
