"""UTF-8 by tensor operations, and moving values along a text: int32 (B, N) throughout.

N may be open: nothing here asks for it before the tensors are there.
"""

from __future__ import annotations

from keras import ops

_LAST_CODE_POINT = 0x10FFFF
_REPLACEMENT = 0xFFFD


def code_points(text):
    """Return the code point that begins at each byte, its bytes, and how far a byte is behind it.

    Inside of a character the code point is 0. Bytes that begin one whose rest is missing stand for U+FFFD; a text that
    was cut within a character has some.
    """
    goes_on = _goes_on(text)
    following = [shifted_left(text, step) for step in (1, 2, 3)]
    second, third, fourth = (values - 128 for values in following)
    two = (text - 192) * 64 + second
    three = (text - 224) * 4096 + second * 64 + third
    four = (text - 240) * 262144 + second * 4096 + third * 64 + fourth
    longer = ops.where(text < 224, two, ops.where(text < 240, three, four))
    needed = 1 + sum(ops.cast(text >= first, "int32") for first in (192, 224, 240))
    behind, more, most = map(_goes_on, following)
    is_whole = 1 + behind * (1 + more * (1 + most)) >= needed
    length = ops.where(is_whole, needed, 1)
    code = ops.where(text < 128, text, ops.where(is_whole, longer, _REPLACEMENT)) * (1 - goes_on)
    run = goes_on * (1 + shifted_right(goes_on, 1) * (1 + shifted_right(goes_on, 2)))
    offset = ops.zeros_like(text)
    for step in (1, 2, 3):
        offset = ops.where((run == step) & (shifted_right(length, step) > step), step, offset)
    return ops.clip(code, 0, _LAST_CODE_POINT), length, offset


def _goes_on(text):
    """Return 1 for bytes that go on with a character, 0 for those that begin one."""
    return ops.cast((text >= 128) & (text < 192), "int32")


def shifted_left(values, count: int, fill: int = 0):
    """Return values[i + count], `fill` behind the last."""
    return ops.pad(values, [[0, 0], [0, count]], constant_values=fill)[:, count:]


def shifted_right(values, count: int, fill: int = 0):
    """Return values[i - count], `fill` before the first."""
    return ops.pad(values, [[0, 0], [count, 0]], constant_values=fill)[:, :-count]


def with_end(values, end: int, count: int = 1):
    """Return the values and behind them `end`, `count` times."""
    return ops.pad(values, [[0, 0], [0, count]], constant_values=end)


def from_behind(values):
    """Return the sum of the values from each place on."""
    return ops.sum(values, axis=1, keepdims=True) - ops.cumsum(values, axis=1) + values


def numbers(count):
    """Return 0, 1, ... count - 1, int32 (1, count)."""
    return ops.expand_dims(ops.arange(count, dtype="int32"), 0)


def cut_bytes(text, budget: int):
    """Return at most `budget` bytes of each text, none of a character that is not whole then, and whether it was cut.

    int32 (B, N) -> int32 (B, min(N, budget)), bool (B, 1).
    """
    around = ops.pad(text, [[0, 0], [0, budget + 1]])[:, : budget + 1]
    goes_on = ops.cast((around >= 128) & (around < 192), "int32")
    before, last, beyond = (goes_on[:, budget - step : budget - step + 1] for step in (2, 1, 0))
    lost = beyond * (1 + last * (1 + before))  # of the character that the cut goes through
    kept = text[:, :budget]
    is_cut = ops.sum(text[:, budget:], axis=1, keepdims=True) > 0
    return kept * ops.cast(numbers(ops.shape(kept)[1]) < budget - lost, "int32"), is_cut
