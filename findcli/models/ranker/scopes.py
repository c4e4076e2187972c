"""Scopes: the concept that every event of a concept's family makes true, such as "The user purchased anything."."""

from __future__ import annotations

import numpy as np
import polars as pl

from findcli.data.templates import template_pattern, workspace_templates
from findcli.workspace.settings import Settings


def scopes_of(settings: Settings, concepts: pl.Series) -> np.ndarray:
    """The scope of each concept.

    Args:
        settings: give the templates.
        concepts: texts.

    Returns:
        The row of each one's scope among the concepts, -1 for none, int64 (n_concepts,).
    """
    rows = {text: row for row, text in enumerate(concepts)}
    scopes = np.full(len(concepts), -1, np.int64)
    singles = [template for template in workspace_templates(settings) if template.measure == "any"]
    widest = {template.source: template.text for template in reversed(singles) if not template.slots}
    for template in singles:
        scope = rows.get(widest.get(template.source, ""))
        if scope is not None:
            fits = concepts.str.contains(f"(?s)^{template_pattern(template.text).pattern}$").to_numpy()
            scopes[fits & (scopes < 0)] = scope
    return scopes
