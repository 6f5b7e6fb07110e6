"""What a file must hold to be kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerastx.errors import ExportError
from kerastx_export.agreement import Agreement, Correlation
from kerastx_export.parity import Difference, Parity
from kerastx_export.recipes import Recipe

# Quantization may move the probabilities of a text by this much, on average over the texts.
MAX_MEAN_DRIFT = 0.05
# And scores by this many of their standard deviations. Differences of mean size 0.1 that have nothing to do with the
# texts have a standard deviation of 0.125, which leaves a correlation of 1/√(1 + 0.125²) = 0.992 with Keras: whatever
# Keras' scores correlate with loses at most about one hundredth of that.
MAX_SCORE_DIFFERENCE = 0.1
# And vectors so far that their mean cosine with those of Keras is this: the neighbours of a text are then, but for
# ties, the same, as the cosines of different texts lie much further apart.
MIN_MEAN_COSINE = 0.99


def check_parity(recipe: Recipe, parity: Parity) -> None:
    """Raise ExportError unless a file answers like Keras within what its recipe allows."""
    check_differences(recipe, parity.differences)
    found = parity.agreement
    if isinstance(found, Agreement):
        _check_decisions(recipe, found)
    elif isinstance(found, Correlation):
        if not found.mean_difference <= MAX_SCORE_DIFFERENCE:  # NaN too
            raise ExportError(
                f"{recipe.name}: moves the score of a text by {found.mean_difference:.3f} standard deviations on "
                f"average; at most {MAX_SCORE_DIFFERENCE} is allowed"
            )
    elif not found.mean_cosine >= MIN_MEAN_COSINE:
        raise ExportError(
            f"{recipe.name}: the vectors of file and Keras have a mean cosine of {found.mean_cosine:.4f}; "
            f"at least {MIN_MEAN_COSINE} is asked for"
        )


def check_differences(recipe: Recipe, differences: Sequence[Difference]) -> None:
    """Raise ExportError that names output, size and input of the first difference that is too large."""
    for difference in differences:
        if not np.isfinite(difference.value):
            raise ExportError(
                f"{recipe.name}: {difference.output} is not finite or of another shape for {difference.probe}"
            )
        if recipe.tolerance is not None and difference.value > (allowed := recipe.tolerance * difference.scale):
            raise ExportError(
                f"{recipe.name}: {difference.output} is {difference.value:.2g} away from Keras for {difference.probe}; "
                f"at most {allowed:g} is allowed"
            )


def _check_decisions(recipe: Recipe, agreement: Agreement) -> None:
    if agreement.clear_share < recipe.min_agreement:
        raise ExportError(
            f"{recipe.name}: decides like Keras on {agreement.clear_share:.1%} of {agreement.clear_texts} "
            f"{agreement.unit} with a clear decision; at least {recipe.min_agreement:.0%} is asked for"
        )
    if not agreement.mean_drift <= MAX_MEAN_DRIFT:  # NaN too
        raise ExportError(
            f"{recipe.name}: moves the probabilities of a text by {agreement.mean_drift:.3f} on average; "
            f"at most {MAX_MEAN_DRIFT} is allowed"
        )
