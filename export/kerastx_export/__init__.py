"""A trained checkpoint -> small files that answer on a CPU, a phone or a web page, compared before they are kept.

export_checkpoint   checkpoint -> .tflite and .onnx, report.json and report.md
verify_file         does a file still answer like its checkpoint?
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerastx_export.export import export_checkpoint
    from kerastx_export.verify import verify as verify_file

__all__ = ["export_checkpoint", "verify_file"]


def __getattr__(name: str) -> Any:
    # Importing tensorflow takes seconds; the recipes and texts of this package do not need it.
    if name == "export_checkpoint":
        from kerastx_export.export import export_checkpoint

        return export_checkpoint
    if name == "verify_file":
        from kerastx_export.verify import verify

        return verify
    raise AttributeError(f"module 'kerastx_export' has no attribute {name!r}; it has {', '.join(__all__)}.")
