"""Learning rates over the steps of a run."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerastx")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rise linearly to `peak`, then fall linearly to zero at `total_steps` (Devlin et al., 2018, appendix A.2).

    Args:
        peak: the largest rate.
        total_steps: of the run; may be set anew while training, when a run is bounded by time.
        warmup_share: of the total steps that rise, in (0, 1).
        batches_per_step: that an optimizer with gradient accumulation counts for one step.
    """

    def __init__(self, peak: float, total_steps: int, *, warmup_share: float = 0.1, batches_per_step: int = 1):
        if not 0 < warmup_share < 1:
            raise ValueError(f"warmup_share must be in (0, 1), got {warmup_share}.")
        if total_steps < 1:
            raise ValueError(f"total_steps must be at least 1, got {total_steps}.")
        self.peak = peak
        self.warmup_share = warmup_share
        self.batches_per_step = batches_per_step
        self._total_steps = keras.Variable(float(total_steps), trainable=False, name="total_steps")

    @property
    def total_steps(self) -> int:
        return int(ops.convert_to_numpy(self._total_steps))

    @total_steps.setter
    def total_steps(self, value: int) -> None:
        self._total_steps.assign(float(max(value, 1)))

    def __call__(self, step):
        step = ops.cast(step // self.batches_per_step, "float32")
        total = ops.convert_to_tensor(self._total_steps)
        warmup = ops.maximum(1.0, ops.round(total * self.warmup_share))
        # The first update is step 1; warming up from 0 would spend a batch on a zero rate.
        rise = (step + 1.0) / warmup
        fall = (total - step) / ops.maximum(1.0, total - warmup)
        return self.peak * ops.clip(ops.minimum(rise, fall), 0.0, 1.0)

    def get_config(self):
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_share": self.warmup_share,
            "batches_per_step": self.batches_per_step,
        }
