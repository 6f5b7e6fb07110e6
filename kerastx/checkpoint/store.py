"""The checkpoint: a folder with config.json, tokenizer.json and model.safetensors."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras

from kerastx.checkpoint.tasks import build_model, check_config, config_key, config_type
from kerastx.checkpoint.weights import assign_weights, non_finite_weights, read_arrays, weight_arrays, write_arrays
from kerastx.errors import CheckpointError, DataError
from kerastx.models.lora import has_lora
from kerastx.text.question_windows import SpanSettings
from kerastx.text.tokenizer import Tokenizer

FORMAT = "kerastx-checkpoint"
VERSION = 1
SOURCE_TOKENIZER = "source_tokenizer.json"


@dataclass(kw_only=True)
class Checkpoint:
    """A model with all that is needed to use it on text.

    Args:
        model: as built by `build_model`.
        tokenizer: whose vocabulary the model was trained with; of "seq2seq" that of what it writes.
        config: an `EncoderConfig`; a `LanguageModelConfig` or `Seq2SeqConfig` of a model that writes.
        task: "classification" (one of several labels), "multi_label" (any of them), "regression" (a number),
            "embedding" (a unit vector), "tagging" (entities), "span" (the part of a context that answers a question),
            "masked_lm", "pretraining" (masked words and next sentence), "encoder", "language_model" (goes on from a
            text) or "seq2seq" (writes a text for another one).
        labels: class names in the order of the logits, or types of entities; empty where there are none.
        pair: whether it answers for two texts together.
        max_length: tokens, [CLS] and [SEP] included, that training cut texts to; of "seq2seq" both texts.
        description: a sentence for people.
        path: of the folder that it was loaded from.
        left_out: arrays of a foreign checkpoint's heads that this task has no place for.
        span: how answers are looked for, of the task "span" and only of it.
        source_tokenizer: of the sources of "seq2seq"; None = `tokenizer`.
    """

    model: keras.Model
    tokenizer: Tokenizer
    config: Any
    task: str
    labels: tuple[str, ...] = ()
    pair: bool = False
    max_length: int = 128
    description: str = ""
    path: Path | None = field(default=None)
    left_out: tuple[str, ...] = ()
    span: SpanSettings | None = None
    source_tokenizer: Tokenizer | None = None
    # What `kerastx.checkpoint.generating` compiles.
    _steps: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self):
        self.labels = tuple(self.labels)
        if self.task == "span":
            self.pair = True
            self.span = self.span or SpanSettings()
        check_config(self.task, self.config)
        if self.task == "classification" and len(self.labels) < 2:
            raise ValueError(f"a classification needs at least 2 labels, got {self.labels}.")
        if not 3 <= self.max_length <= self.config.max_sequence_length:
            raise ValueError(f"max_length must be in [3, {self.config.max_sequence_length}], got {self.max_length}.")
        self._check_vocabularies()

    def _check_vocabularies(self) -> None:
        # Tables are often made a little longer than the vocabulary, to a multiple of 8 or 64.
        if self.tokenizer.vocabulary_size > self.config.vocabulary_size:
            raise ValueError(
                f"the tokenizer has {self.tokenizer.vocabulary_size} tokens, the model {self.config.vocabulary_size}."
            )
        if self.task != "seq2seq":
            if self.source_tokenizer is not None:
                raise ValueError(f"source_tokenizer is of the task seq2seq, got one for {self.task}.")
            return
        source, places = self.source_tokenizer or self.tokenizer, self.config.source_vocabulary_size
        if source.vocabulary_size > (places or self.config.vocabulary_size):
            raise ValueError(
                f"the tokenizer of the source has {source.vocabulary_size} tokens, "
                f"the model {places or self.config.vocabulary_size}."
            )

    def __call__(self, texts, pairs=None):
        """Answer a text, or each of several, as an exported file does.

        Args:
            texts: a string, or several.
            pairs: the second text of each, in the same form; of a question its context, of any length. A checkpoint
                with `pair` needs them; one without takes them too, because an imported model does not say whether it
                was trained on pairs.

        Returns:
            `Classification`, `MultiLabel` or `Regression`; for an embedding a unit vector float32 (D,); for a tagging
            the list of `Entity`s; for a question the `Answer`; for masked words the five most probable `MaskedWord`s of
            each mask; of a model that writes the `GeneratedText`, see `generate`. A list of them for several texts.

        Raises:
            CheckpointError: a bare encoder answers nothing; or a text has no mask where words for masks are found.
            TypeError: anything but strings.
            ValueError: pairs are missing, not as many as the texts, or given where words for masks are found.
        """
        from kerastx.checkpoint.answering import answer

        return answer(self, texts, pairs)

    def generate(self, texts, *, settings=None, **options):
        """Write on from a text, or write the text that a source becomes; for each of several texts likewise.

        Args:
            texts: a string, or several; an empty prompt is a beginning too. Sources are cut to `max_length` tokens.
            settings: `GenerationSettings`; by default the most probable token is taken at each step.
            options: settings by their names, which change those: `max_new_tokens=20, temperature=0.8, top_p=0.9`.

        Returns:
            A `GeneratedText`; a list of them for several texts.

        Raises:
            CheckpointError: the checkpoint is of another task than "language_model" and "seq2seq".
            TypeError: anything but strings.
            ValueError: a setting is unknown or wrong, or a prompt leaves no room in the model's context.
        """
        from kerastx.checkpoint.generating import generate
        from kerastx.runtime.generation_settings import GenerationSettings

        settings = GenerationSettings.of(settings, options)
        return generate(self, [texts], settings)[0] if isinstance(texts, str) else generate(self, texts, settings)

    def stream(self, text: str, *, settings=None, **options) -> Iterator[Any]:
        """Yield what `generate` writes for one text in pieces, strings that are whole characters, then the result.

        The pieces together are the text of the `GeneratedText` that comes last. Closing the iterator ends the work.
        """
        from kerastx.checkpoint.generating import stream
        from kerastx.runtime.generation_settings import GenerationSettings

        return stream(self, text, GenerationSettings.of(settings, options))

    def save_huggingface(self, path: str | os.PathLike[str], *, family: str | None = None, force: bool = False) -> Path:
        """Write a folder that `transformers` loads; see `kerastx.checkpoint.huggingface.save_huggingface`."""
        from kerastx.checkpoint.huggingface import save_huggingface

        return save_huggingface(path, self, family=family, force=force)


def in_float32(checkpoint: Checkpoint) -> Checkpoint:
    """Return the same checkpoint with a plain model: it computes in float32, and LoRA is merged into its kernels."""
    model = checkpoint.model
    if not has_lora(model) and all(layer.compute_dtype == "float32" for layer in model._flatten_layers()):
        return checkpoint
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        exact = build_model(checkpoint.task, checkpoint.config, checkpoint.labels, tokenizer=checkpoint.tokenizer)
    finally:
        keras.config.set_dtype_policy(before)
    assign_weights(exact.weights, weight_arrays(model), source="the trained model")
    return replace(checkpoint, model=exact)


def save_checkpoint(path: str | os.PathLike, checkpoint: Checkpoint, *, force: bool = False) -> Path:
    """Write `checkpoint` as a new folder that appears whole or not at all.

    Raises:
        CheckpointError: the folder exists and `force` is not set, or it cannot be written.
    """
    path = Path(path)
    check_output(path, force=force)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # of a killed process that had the same number
        temporary.mkdir(parents=True)
        write_checkpoint_files(temporary, checkpoint)
        replace_folder(temporary, path)
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path


def check_output(path: Path, *, force: bool) -> None:
    """Check what `save_checkpoint` will, before the work: CheckpointError where it would not write."""
    if path.exists() and not force:
        raise CheckpointError(f"{path} exists; choose another output or use --force")
    if not is_replaceable(path):
        raise CheckpointError(f"{path} is not a kerastx checkpoint; it is not replaced")


def is_replaceable(path: Path) -> bool:
    """Whether nothing of anybody else is lost when `path` is replaced: it is ours, empty or not there."""
    if not path.exists():
        return True
    if not path.is_dir():
        return False
    try:
        values = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return not any(path.iterdir())
    return isinstance(values, dict) and values.get("format") == FORMAT


def replace_folder(temporary: Path, path: Path) -> None:
    """Put `temporary` in the place of `path`, whose old content goes only after the new one stands."""
    old = path.with_name(f".{path.name}.old-{os.getpid()}")
    if path.exists():
        os.rename(path, old)
    os.rename(temporary, path)
    shutil.rmtree(old, ignore_errors=True)


def write_checkpoint_files(folder: Path, checkpoint: Checkpoint, extra: dict[str, Any] | None = None) -> None:
    """Write the files of a checkpoint into an existing folder, config.json last: it says that the rest is whole."""
    if broken := non_finite_weights(checkpoint.model):
        raise CheckpointError(f"{folder}: {len(broken)} weights hold NaN or infinity, first {broken[0]}; not written")
    digest = write_arrays(folder / "model.safetensors", weight_arrays(checkpoint.model))
    checkpoint.tokenizer.save(folder / "tokenizer.json")
    if checkpoint.source_tokenizer is not None:
        checkpoint.source_tokenizer.save(folder / SOURCE_TOKENIZER)
    write_json(
        folder / "config.json",
        {
            "format": FORMAT,
            "version": VERSION,
            "task": checkpoint.task,
            "labels": list(checkpoint.labels),
            "pair": checkpoint.pair,
            "max_length": checkpoint.max_length,
            "description": checkpoint.description,
            **({"span": checkpoint.span.to_dict()} if checkpoint.span else {}),
            **(
                {"own_source_tokenizer": checkpoint.source_tokenizer is not None}
                if checkpoint.task == "seq2seq"
                else {}
            ),
            config_key(checkpoint.task): checkpoint.config.to_dict(),
            "sha256": {"model.safetensors": digest},
            **(extra or {}),
        },
    )


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write JSON through a temporary sibling."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        temporary.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_config(path: str | os.PathLike) -> dict[str, Any]:
    """Read and check a checkpoint's config.json without loading the weights."""
    file = Path(path) / "config.json"
    if not Path(path).is_dir():
        raise CheckpointError(
            f"{path}: expected a checkpoint folder, found {'a file' if Path(path).exists() else 'nothing'}"
        )
    if not file.is_file():
        way_out = "; the run is not finished, continue it with --resume" if (Path(path) / "steps").is_dir() else ""
        raise CheckpointError(f"{path}: not a checkpoint, it has no config.json{way_out}")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: not readable JSON: {error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise CheckpointError(f'{file}: expected "format": "{FORMAT}"; {_foreign(path, values)}')
    if not isinstance(values.get("version"), int) or values["version"] > VERSION:
        raise CheckpointError(f"{file}: version {values.get('version')!r} is newer than {VERSION}; update kerastx")
    if problem := _wrong_types(values):
        raise CheckpointError(f"{file}: {problem}")
    return values


def _foreign(path: str | os.PathLike, values: Any) -> str:
    if isinstance(values, dict) and "format" not in values and ("model_type" in values or "architectures" in values):
        return f"this is a Hugging Face model; run: kerastx import {os.fspath(path)} --output DIR"
    return "this is another program's file"


def _wrong_types(values: dict[str, Any]) -> str:
    """Return what is wrong with the values that no constructor checks, or nothing."""
    labels, digests = values.get("labels", []), values.get("sha256", {})
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return f'expected a list of strings as "labels", got {labels!r}'
    for flag in ("pair", "own_source_tokenizer"):
        if not isinstance(values.get(flag, False), bool):
            return f'expected true or false as "{flag}", got {values[flag]!r}'
    if not isinstance(digests, dict):
        return f'incomplete or altered: expected an object as "sha256", got {digests!r}'
    return ""


def load_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Load a folder that `save_checkpoint` or a training run wrote.

    Raises:
        CheckpointError: it is missing, incomplete, altered, or its weights do not fit its config.
    """
    path = Path(path)
    values = read_config(path)
    tokenizer = Tokenizer.load(path)
    own_source = values.get("own_source_tokenizer", False)
    try:
        config = config_type(values["task"]).from_dict(values[config_key(values["task"])])
        labels = tuple(values.get("labels", ()))
        checkpoint = Checkpoint(
            model=build_model(values["task"], config, labels, tokenizer=tokenizer),
            tokenizer=tokenizer,
            config=config,
            task=values["task"],
            labels=labels,
            pair=values.get("pair", False),
            max_length=values["max_length"],
            description=values.get("description", ""),
            path=path,
            span=SpanSettings.from_dict(values["span"]) if values["task"] == "span" else None,
            source_tokenizer=Tokenizer.load(path / SOURCE_TOKENIZER) if own_source else None,
        )
    except (DataError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path / 'config.json'}: {_reason(error)}") from error
    digest = values.get("sha256", {}).get("model.safetensors")
    arrays = read_arrays(path / "model.safetensors", sha256=digest)
    assign_weights(checkpoint.model.weights, arrays, source=str(path / "model.safetensors"))
    return checkpoint


def _reason(error: BaseException) -> str:
    return f"lacks {error}" if isinstance(error, KeyError) else str(error)
