"""Artifact -> answers. Needs numpy and one engine, tokenizers for files of ids; never keras or tensorflow."""

from __future__ import annotations

from kerastx.runtime.answers import Answer, Candidate
from kerastx.runtime.decoding import GeneratedText
from kerastx.runtime.entities import Entity
from kerastx.runtime.files import load
from kerastx.runtime.generation_settings import GenerationSettings
from kerastx.runtime.results import Classification, MultiLabel, Regression, Result
from kerastx.runtime.session import Session
from kerastx.runtime.writer import Writer

__all__ = [
    "Answer",
    "Candidate",
    "Classification",
    "Entity",
    "GeneratedText",
    "GenerationSettings",
    "MultiLabel",
    "Regression",
    "Result",
    "Session",
    "Writer",
    "load",
]
