"""Beam search: several texts side by side, to find one that is more probable than what single steps lead to.

What is kept and when it stops is what `transformers` does, so that both write the same texts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np

from kerastx.runtime.generation_settings import GenerationSettings

# The score of what is no candidate: below all log-probabilities, and still an order between such.
NOTHING = -1.0e9


@dataclass(frozen=True)
class Beam:
    """A text that is being written, or is whole.

    Attributes:
        tokens: all that is written.
        score: the sum of the scores of its tokens; of a whole text divided by length ** length_penalty.
        log_probability: the sum of what the model gives its tokens.
        is_whole: whether it ended.
    """

    tokens: tuple[int, ...]
    score: float
    log_probability: float
    is_whole: bool = False


class BeamSearch:
    """The beams of one prompt, K of them.

    Args:
        settings: num_beams, length_penalty and early_stopping.
        max_new_tokens: where every text ends.
        end_ids: tokens that end one.
        begun: how many tokens a text has before the new ones that count for its length.
        is_stopped: whether a text, given as its tokens, ends by what it says.

    Attributes:
        running: K beams, the best first.
        whole: the best texts so far, at most K, the best first.
        is_done: whether nothing better will come.
    """

    def __init__(
        self,
        settings: GenerationSettings,
        *,
        max_new_tokens: int,
        end_ids: Collection[int] = (),
        begun: int = 0,
        is_stopped: Callable[[tuple[int, ...]], bool] = lambda tokens: False,
    ):
        self.settings = settings
        self.max_new_tokens = max_new_tokens
        self.end_ids = frozenset(end_ids)
        self.begun = begun
        self.is_stopped = is_stopped
        # All but the first count for nothing, so that the first step takes K different tokens.
        self.running = [Beam((), NOTHING * bool(index), 0.0) for index in range(settings.num_beams)]
        self.whole: list[Beam] = []
        self.is_done = False

    def step(self, scores: np.ndarray, log_probabilities: np.ndarray) -> np.ndarray:
        """Write one more token; return which of the beams before each running one goes on from, int32 (K,).

        Args:
            scores: float64 (K, V), the `adjusted` log-probabilities of the next token of each beam; overwritten.
            log_probabilities: float64 (K, V), the model's own.
        """
        count, length = self.settings.num_beams, self.begun + len(self.running[0].tokens) + 1
        scores += np.array([beam.score for beam in self.running])[:, None]
        totals = scores.ravel()
        # So many that K go on even where the best ones end with each of the end tokens.
        candidates = best_first(totals, max(2, 1 + len(self.end_ids)) * count)
        parents, goes_on, has_ended = [], [], []
        for rank, index in enumerate(candidates):
            if totals[index] == -np.inf:
                break
            parent, token = divmod(int(index), scores.shape[1])
            before = self.running[parent]
            beam = Beam(
                (*before.tokens, token),
                float(totals[index]),
                before.log_probability + float(log_probabilities[parent, token]),
                self._is_whole((*before.tokens, token)),
            )
            if not beam.is_whole:
                parents.append(parent)
                goes_on.append(beam)
            elif rank < count and beam.score > NOTHING / 2:
                has_ended.append(beam)
        self._keep(has_ended, length)
        self.is_done = not goes_on or self._is_settled(goes_on[0].score, length)
        if not goes_on:
            return np.arange(count, dtype=np.int32)
        # Where stop strings leave fewer than K, the last one fills the places and counts for nothing.
        missing = max(count - len(goes_on), 0)
        self.running = [*goes_on, *[replace(goes_on[-1], score=NOTHING)] * missing][:count]
        return np.array([*parents, *parents[-1:] * missing][:count], np.int32)

    @property
    def best(self) -> Beam:
        """The best whole text, and where there is none the best of those that are running."""
        return (self.whole or self.running)[0]

    def _is_whole(self, tokens: tuple[int, ...]) -> bool:
        return tokens[-1] in self.end_ids or len(tokens) >= self.max_new_tokens or self.is_stopped(tokens)

    def _keep(self, ended: list[Beam], length: int) -> None:
        power = length**self.settings.length_penalty
        ended = [replace(beam, score=beam.score / power) for beam in ended]
        # Python's sort is stable: of equal texts the earlier one stays.
        self.whole = sorted([*self.whole, *ended], key=lambda beam: -beam.score)[: self.settings.num_beams]

    def _is_settled(self, best_running: float, length: int) -> bool:
        if len(self.whole) < self.settings.num_beams:
            return False
        attainable = best_running / length**self.settings.length_penalty
        return self.settings.early_stopping or attainable <= self.whole[-1].score


def best_first(values: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the `count` largest values (N,), the largest first, of equal ones the first."""
    if count < len(values):
        found = np.flatnonzero(values >= np.partition(values, -count)[-count])
    else:
        found = np.arange(len(values))
    return found[np.argsort(-values[found], kind="stable")][:count]
