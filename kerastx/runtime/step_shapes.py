"""What the graph of a file that writes takes and answers: its sizes, once it is certain that the graph is ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kerastx.errors import ArtifactError
from kerastx.runtime.engines import TOKENIZED, TensorSpec
from kerastx.runtime.step_names import ENCODE_INPUTS, SOURCE_MASK, STEP_TOKENS, cache_names, new, source_names

FIRST_SLOT = "first_slot"


@dataclass(frozen=True)
class StepShapes:
    """The sizes of a step.

    Attributes:
        num_blocks: that have a cache.
        num_heads, head_size: of the keys and values of each.
        vocabulary_size: logits of a token.
        has_slots: whether tokens are written into slots that the caller made; else the cache grows by itself.
        has_sources: whether it is the step of an encoder-decoder.
    """

    num_blocks: int
    num_heads: int
    head_size: int
    vocabulary_size: int
    has_slots: bool
    has_sources: bool

    @property
    def cache_names(self) -> list[str]:
        return cache_names(self.num_blocks)

    @property
    def source_names(self) -> list[str]:
        """The names of the keys and values of sources, and of which of their tokens are no padding."""
        return [SOURCE_MASK, *source_names(self.num_blocks)] if self.has_sources else []

    def cache_shape(self, name: str, batch_size: int, slots: int) -> tuple[int, ...]:
        """Return the shape of a tensor of `cache_names`."""
        return (batch_size, slots) if name == "cached_positions" else self._heads_of(batch_size, slots)

    def source_shape(self, name: str, batch_size: int, length: int) -> tuple[int, ...]:
        """Return the shape of a tensor of `source_names`."""
        return (batch_size, length) if name == SOURCE_MASK else self._heads_of(batch_size, length)

    def _heads_of(self, batch_size: int, length: int) -> tuple[int, ...]:
        return (batch_size, self.num_heads, length, self.head_size)


def step_shapes(
    inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec], encode_inputs: Mapping[str, TensorSpec]
) -> StepShapes:
    """Return the sizes of a step.

    Args:
        inputs, outputs: of the step.
        encode_inputs: of what is computed once for a source; none where there are no sources.

    Raises:
        ArtifactError: it is not ours.
    """
    num_blocks = sum(name.startswith("key_") for name in inputs)
    names, sources = cache_names(num_blocks), [SOURCE_MASK, *source_names(num_blocks)] if encode_inputs else []
    has_slots = FIRST_SLOT in inputs
    promised = {*STEP_TOKENS, *([FIRST_SLOT] if has_slots else []), *names, *sources}
    if not num_blocks or inputs.keys() != promised or outputs.keys() != {"logits", *map(new, names)}:
        raise ArtifactError(
            f"expected a step of {sorted(promised)} in the graph, found one of {sorted(inputs)} that answers "
            f"{sorted(outputs)}"
        )
    if encode_inputs and encode_inputs.keys() != ENCODE_INPUTS.keys():
        raise ArtifactError(f"expected sources {sorted(ENCODE_INPUTS)}, found {sorted(encode_inputs)}")
    shape = inputs["key_0"].shape
    num_heads, head_size = (shape[1] or 0, shape[3] or 0) if len(shape) == 4 else (0, 0)
    vocabulary_size = outputs["logits"].shape[-1] or 0 if outputs["logits"].shape else 0
    found = StepShapes(num_blocks, num_heads, head_size, vocabulary_size, has_slots, bool(encode_inputs))
    expected = _expected(found)
    given = {**inputs, **encode_inputs, **outputs}
    for name, spec in expected.items():
        if given[name] != spec or not all(size != 0 for size in spec.shape):
            raise ArtifactError(f"expected {name} as {_words(spec)} in the graph, found {_words(given[name])}")
    return found


def _expected(shapes: StepShapes) -> dict[str, TensorSpec]:
    heads = TensorSpec("float32", (None, shapes.num_heads, None, shapes.head_size))
    rows = TensorSpec("int32", (None, None))
    specs = {name: rows if name == "cached_positions" else heads for name in shapes.cache_names}
    specs |= dict.fromkeys(STEP_TOKENS, rows)
    specs |= {new(name): specs[name] for name in shapes.cache_names}
    specs["logits"] = TensorSpec("float32", (None, shapes.vocabulary_size))
    if shapes.has_slots:
        specs[FIRST_SLOT] = TensorSpec("int32", ())
    if shapes.has_sources:
        specs |= dict.fromkeys(shapes.source_names, heads)
        specs[SOURCE_MASK] = TensorSpec("bool", (None, None))
        specs |= {name: TensorSpec(dtype, (None, None)) for name, dtype in ENCODE_INPUTS.items()}
    return specs


def text_sizes(text: TensorSpec, outputs: Mapping[str, TensorSpec]) -> tuple[int, int]:
    """Return the bytes and the tokens of the tokenizer beside a step.

    Args:
        text: what it takes.
        outputs: what it answers, see `kerastx.runtime.engines.TOKENIZED`.

    Raises:
        ArtifactError: it is not ours.
    """
    budget = text.shape[1] or 0 if len(text.shape) == 2 else 0
    shape = outputs["token_ids"].shape if "token_ids" in outputs else ()
    most = shape[1] or 0 if len(shape) == 2 else 0
    expected = {
        name: TensorSpec(dtype, (None, 1 if name in ("lengths", "is_cut") else most))
        for name, dtype in TOKENIZED.items()
    }
    if not (budget and most) or text != TensorSpec("uint8", (None, budget)) or outputs != expected:
        found = ", ".join(f"{name} {_words(spec)}" for name, spec in outputs.items()) or "nothing"
        raise ArtifactError(f"expected a tokenizer of bytes in the graph, found one of {_words(text)} to {found}")
    return budget, most


def _words(spec: TensorSpec) -> str:
    return f"{spec.dtype} ({', '.join('any' if size is None else str(size) for size in spec.shape)})"
