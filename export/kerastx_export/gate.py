"""What a file must hold to be kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerastx.errors import ExportError
from kerastx_export.parity import Agreement, Difference, Parity
from kerastx_export.recipes import Recipe

# Quantization may move the probabilities of a text by this much, on average over the texts.
MAX_MEAN_DRIFT = 0.05


def check_parity(recipe: Recipe, parity: Parity) -> None:
    """Raise ExportError unless a file answers like Keras within what its recipe allows."""
    check_differences(recipe, parity.differences)
    _check_decisions(recipe, parity.agreement)


def check_differences(recipe: Recipe, differences: Sequence[Difference]) -> None:
    """Raise ExportError that names output, size and input of the first difference that is too large."""
    for difference in differences:
        if not np.isfinite(difference.value):
            raise ExportError(
                f"{recipe.name}: {difference.output} is not finite or of another shape for {difference.probe}"
            )
        if recipe.tolerance is not None and difference.value > recipe.tolerance:
            raise ExportError(
                f"{recipe.name}: {difference.output} is {difference.value:.2g} away from Keras for {difference.probe}; "
                f"at most {recipe.tolerance:g} is allowed"
            )


def _check_decisions(recipe: Recipe, agreement: Agreement) -> None:
    if agreement.clear_share < recipe.min_agreement:
        raise ExportError(
            f"{recipe.name}: decides like Keras on {agreement.clear_share:.1%} of {agreement.clear_texts} texts "
            f"with a clear decision; at least {recipe.min_agreement:.0%} is asked for"
        )
    if not agreement.mean_drift <= MAX_MEAN_DRIFT:  # NaN too
        raise ExportError(
            f"{recipe.name}: moves the probabilities of a text by {agreement.mean_drift:.3f} on average; "
            f"at most {MAX_MEAN_DRIFT} is allowed"
        )
