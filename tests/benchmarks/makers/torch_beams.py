"""Write what transformers writes with beams, for all others to agree with: FOLDER OPTIONS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from torch_generation import TorchGeneration


def main(folder: Path, task: str, sizes: dict) -> None:
    found = TorchGeneration({"folder": str(folder), "sizes": sizes}).answer("beams")
    (folder / "beams.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), **json.loads(sys.argv[2]))
