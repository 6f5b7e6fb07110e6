"""How weights are stored, by name."""

from __future__ import annotations

from dataclasses import dataclass

from kerastx.artifact import Manifest
from kerastx.errors import ExportError


@dataclass(frozen=True)
class Recipe:
    """One way to store the weights of a file, and how close to Keras the file must then stay.

    Attributes:
        name: as it stands in file names and manifests.
        weight_dtype: of the large matrices: "float32", "float16" or "int8".
        tolerance: largest difference of a logit or probability from Keras; None where only decisions are compared.
        min_agreement: smallest share of texts with the decision of Keras.
        note: one line for the report.
    """

    name: str
    weight_dtype: str
    tolerance: float | None
    min_agreement: float
    note: str


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("fp32", "float32", 1e-4, 1.0, "weights and arithmetic in 32 bits"),
        Recipe("fp16", "float16", 1e-2, 1.0, "weights in 16 bits, widened to 32 when loaded; runs everywhere"),
        Recipe(
            "dynamic_wi8_afp32",
            "int8",
            None,
            0.97,
            "weights and tables in 8 bits, activations in 32, quantized on the fly for each product",
        ),
    )
}


def recipe_named(name: str) -> Recipe:
    """Return a recipe; ValueError names the known ones."""
    if name not in RECIPES:
        raise ValueError(f"recipe must be one of {', '.join(RECIPES)}, got {name!r}.")
    return RECIPES[name]


def recipe_of(manifest: Manifest) -> Recipe:
    """Return the recipe that a file was made with; ExportError for one that this version does not know."""
    if manifest.recipe not in RECIPES:
        raise ExportError(
            f"the file was made with the recipe {manifest.recipe!r}; this version knows {', '.join(RECIPES)}"
        )
    return RECIPES[manifest.recipe]
