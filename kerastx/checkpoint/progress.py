"""Checkpoints of a run that is still training: what a checkpoint holds, and the state to go on exactly."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerastx.checkpoint.store import Checkpoint, read_config, replace_folder, write_checkpoint_files, write_json
from kerastx.checkpoint.weights import (
    assign_weights,
    optimizer_arrays,
    random_state_arrays,
    read_arrays,
    set_random_states,
    write_arrays,
)
from kerastx.errors import CheckpointError


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands.

    Args:
        step: optimizer updates done.
        settings: what the run was started with; a resumed run must have the same.
        state: run state besides the arrays (estimated total steps, seconds trained).
    """

    step: int
    settings: dict[str, Any]
    state: dict[str, Any]


def step_folders(run: Path) -> list[Path]:
    """Return the step checkpoints of a run, newest first."""
    return sorted((run / "steps").glob("step-*"), reverse=True)


def remove_leftovers(run: Path) -> None:
    """Remove what killed processes left half-written among the steps of a run."""
    for pattern in (".step-*.tmp-*", ".step-*.old-*"):
        for folder in (run / "steps").glob(pattern):
            shutil.rmtree(folder, ignore_errors=True)


def recorded_settings(run: Path) -> dict[str, Any]:
    """Return the settings that the newest readable checkpoint of a run was made with; {} if there is none."""
    for folder in step_folders(run):
        try:
            settings = _read_progress(folder)["settings"]
        except CheckpointError:
            continue
        if isinstance(settings, dict):
            return settings
    return {}


def save_step(run: Path, checkpoint: Checkpoint, progress: Progress, *, keep: int) -> Path:
    """Write the checkpoint of one step, whole or not at all, and remove all but the newest `keep`."""
    folder = run / "steps" / f"step-{progress.step:09d}"
    temporary = folder.with_name(f".{folder.name}.tmp-{os.getpid()}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # of a killed process that had the same number
        temporary.mkdir(parents=True)
        arrays = optimizer_arrays(checkpoint.model.optimizer)
        digests = {
            "training.safetensors": write_arrays(temporary / "training.safetensors", arrays),
            "random.safetensors": write_arrays(temporary / "random.safetensors", random_state_arrays(checkpoint.model)),
        }
        write_json(
            temporary / "progress.json",
            {
                "step": progress.step,
                "settings": progress.settings,
                "state": progress.state,
                "sha256": digests,
            },
        )
        write_checkpoint_files(temporary, checkpoint)
        replace_folder(temporary, folder)
    except OSError as error:
        raise CheckpointError(f"cannot write {folder}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in step_folders(run)[keep:]:
        shutil.rmtree(old)
    return folder


def load_step(folder: Path, checkpoint: Checkpoint, settings: dict[str, Any]) -> Progress:
    """Load weights, optimizer and random states of one step into `checkpoint.model`, which must be compiled.

    Raises:
        CheckpointError: a file is missing or altered, or the run was started with other settings.
    """
    values = _read_progress(folder)
    config = read_config(folder)
    digests = (config.get("sha256"), values["sha256"])
    if not all(isinstance(entry, dict) for entry in (*digests, values["settings"], values["state"])):
        raise CheckpointError(f"{folder}: the step checkpoint is incomplete or altered")
    if unknown := sorted(set(settings) - set(values["settings"])):
        raise SettingsChangedError(
            f"{folder}: written by another version of kerastx, which did not record {', '.join(unknown)}; it cannot be "
            "resumed exactly, start anew"
        )
    differences = [
        f"{name} was {values['settings'].get(name)!r}, is {settings.get(name)!r}"
        for name in sorted({*settings, *values["settings"]})
        if settings.get(name) != values["settings"].get(name)
    ]
    if differences:
        raise SettingsChangedError(f"{folder}: cannot resume with other settings: " + "; ".join(differences))
    try:
        weights = read_arrays(folder / "model.safetensors", sha256=config["sha256"]["model.safetensors"])
        training = read_arrays(folder / "training.safetensors", sha256=values["sha256"]["training.safetensors"])
        random = read_arrays(folder / "random.safetensors", sha256=values["sha256"]["random.safetensors"])
    except KeyError as error:
        raise CheckpointError(f"{folder}: the step checkpoint is incomplete or altered: it lacks {error}") from error
    model = checkpoint.model
    model.optimizer.build(model.trainable_variables)
    assign_weights(model.weights, weights, source=str(folder / "model.safetensors"))
    assign_weights(model.optimizer.variables, training, source=str(folder / "training.safetensors"))
    set_random_states(model, random)
    return Progress(step=values["step"], settings=values["settings"], state=values["state"])


class SettingsChangedError(CheckpointError):
    """A run is resumed with other settings than it was started with: an older checkpoint would not help."""


def _read_progress(folder: Path) -> dict[str, Any]:
    try:
        values = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
        if not isinstance(values["step"], int):
            raise TypeError("step must be an integer")
        return {key: values[key] for key in ("step", "settings", "state", "sha256")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder}: the step checkpoint is incomplete or altered: {error!r}") from error
