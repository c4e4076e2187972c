"""Demands that a workspace can answer, for whoever asked one that it cannot.

Tested in tests/demands/test_rewriter.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from findcli.data.templates import Measure
from findcli.demands.meanings import Meanings

OFFERED = 3


def demands(
    meanings: Meanings, measures: Collection[tuple[str, Measure]], bounds: Mapping[Measure, float], currency: str
) -> tuple[str, ...]:
    """Three demands that can be answered.

    Args:
        meanings: of the vocabulary.
        measures: the levels that its sentences have, by family.
        bounds: the highest bounds that the model was trained on.
        currency: the workspace's word for money.
    """
    offered = []
    if "purchase" in meanings.families[meanings.is_anything]:
        if "amount" in bounds and ("purchase", "amount") in measures:
            offered.append(f"customers who will spend more than {bounds['amount']:g} {currency}")
        offered += ["customers who will buy again", "customers who have not bought for 3 months"]
        offered.append("customers who will buy at least twice")
    common = np.argsort(-np.where(meanings.is_anything, -1, meanings.events), kind="stable")[:OFFERED]
    offered += [meanings.texts[i] for i in common if not meanings.is_anything[i]]
    return tuple(offered[:OFFERED])
