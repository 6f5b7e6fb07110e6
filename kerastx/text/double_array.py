"""A set of words as a trie in two arrays, which many readers walk at once with two look-ups a step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

DEAD = 0
_TRIES_BEFORE_MOVING_ON = 200


@dataclass(frozen=True, eq=False)
class DoubleArray:
    """Tries over letters 1 to A - 1, one for each root (Aoe, 1989: an efficient digital search algorithm).

    State s goes by the letter c to t = base[s] + c if check[t] == s, else to the state 0, which goes nowhere. The
    states 1 to R are the roots.

    Attributes:
        check: int32 (S,).
        base: int32 (S,), positive.
        value: int32 (S,); the number of the word that ends in a state, -1 where none does.
        depth: int32 (S,); letters read up to a state.
    """

    check: np.ndarray
    base: np.ndarray
    value: np.ndarray
    depth: np.ndarray

    @classmethod
    def build(cls, words: Iterable[tuple[int, Sequence[int], int]], *, num_roots: int, num_letters: int) -> DoubleArray:
        """Build the tries of words, given as (root from 0, letters, number)."""
        children, values, depths = _trie(words, num_roots)
        bases, slots = _places(children, num_roots, num_letters)
        size = max(bases) + num_letters  # wherever a reader is, any letter leads to a place in the arrays
        check, base = np.full(size, -1, np.int32), np.ones(size, np.int32)
        value, depth = np.full(size, -1, np.int32), np.zeros(size, np.int32)
        for node, slot in enumerate(slots):
            for below in children[node].values():
                check[slots[below]] = slot
            base[slot], value[slot], depth[slot] = bases[node], values[node], depths[node]
        return cls(check, base, value, depth)


def _trie(words: Iterable[tuple[int, Sequence[int], int]], num_roots: int):
    """Return for each node its children by letter, the number of its word, and its depth."""
    children: list[dict[int, int]] = [{} for _ in range(num_roots)]
    values, depths = [-1] * num_roots, [0] * num_roots
    for root, letters, number in words:
        node = root
        for letter in letters:
            below = children[node].get(letter)
            if below is None:
                below = children[node][letter] = len(children)
                children.append({})
                values.append(-1)
                depths.append(depths[node] + 1)
            node = below
        values[node] = number
    return children, values, depths


def _places(children: list[dict[int, int]], num_roots: int, num_letters: int) -> tuple[list[int], list[int]]:
    """Return base and slot of each node: those with most children first, while there is most room."""
    used = bytearray(2 * len(children) + 4 * num_letters + 64)
    first = num_roots + 1
    used[:first] = b"\1" * first
    bases, slots = [1] * len(children), [*range(1, num_roots + 1)] + [0] * (len(children) - num_roots)
    begin: dict[int, int] = {}  # by the number of children: below it a place was looked for in vain often enough
    for node in sorted(range(len(children)), key=lambda node: -len(children[node])):
        letters = sorted(children[node])
        if not letters:
            break
        place, tries = max(begin.get(len(letters), first), letters[0] + 1), 0
        rest = [letter - letters[0] for letter in letters[1:]]
        while True:
            place = used.find(0, place)
            if place < 0 or place + num_letters >= len(used):
                place = len(used) if place < 0 else place
                used.extend(bytes(len(used)))
            if not any(used[place + step] for step in rest):
                break
            place, tries = place + 1, tries + 1
        if tries > _TRIES_BEFORE_MOVING_ON:
            begin[len(letters)] = place
        bases[node] = place - letters[0]
        for letter in letters:
            used[bases[node] + letter] = 1
            slots[children[node][letter]] = bases[node] + letter
    return bases, slots
