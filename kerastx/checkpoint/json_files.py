"""JSON files of other programs: small, an object, or one clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kerastx.errors import CheckpointError

MAX_BYTES = 64 * 2**20


def read_json_object(file: Path) -> dict[str, Any]:
    """Return the object of a JSON file; CheckpointError when it is missing, too large, no JSON or no object."""
    try:
        if (size := file.stat().st_size) > MAX_BYTES:
            raise CheckpointError(f"{file}: expected at most {MAX_BYTES:,} bytes of JSON, found {size:,}")
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{file}: there is no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: not readable JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{file}: expected a JSON object, found {type(values).__name__}")
    return values
