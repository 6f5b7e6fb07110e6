"""Artifact -> answers. Needs numpy, tokenizers and one engine; never keras or tensorflow."""

from __future__ import annotations

from kerastx.runtime.results import Answer, Classification, MultiLabel, Regression
from kerastx.runtime.session import Session, load

__all__ = ["Answer", "Classification", "MultiLabel", "Regression", "Session", "load"]
