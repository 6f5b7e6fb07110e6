"""Artifact -> answers. Needs numpy, tokenizers and one engine; never keras or tensorflow."""

from __future__ import annotations

from kerastx.runtime.results import Classification
from kerastx.runtime.session import Session, load

__all__ = ["Classification", "Session", "load"]
