"""Calibrates the log odds of a tower's own scorer, as the ranker's are: see `ranker/reliability.py`.

Tested in tests/models/anchor/test_tower.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from findcli.data.questions import QuestionParser
from findcli.data.templates import workspace_templates
from findcli.models.ranker.queries import ANYTHING, LEVEL, THING
from findcli.models.ranker.reliability import Tried, calibrate, measure
from findcli.models.tower import Said
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, open_run


def sentence_kinds(workspace: Workspace, sentences: Sequence[str]) -> np.ndarray:
    """The kind of question that each sentence asks: a thing, a level, or anything at all, (n,)."""
    templates = workspace_templates(workspace.settings)
    parser = QuestionParser(templates)
    anything = {template.text for template in templates if template.measure == "any" and not template.slots}
    kinds = [
        LEVEL if parser.parse(text).measure != "any" else ANYTHING if text in anything else THING for text in sentences
    ]
    return np.array(kinds)


def calibrate_tower(workspace: Workspace, said: Sequence[Said], draft: Draft) -> None:
    """Write `calibration.json` and `reliability.parquet` from what a tower said of validation users."""
    texts = open_run(workspace.run("pairs"), "pairs").table("sentences.parquet")["text"]
    kinds = sentence_kinds(workspace, texts.to_list())
    tried = [Tried(each.odds, each.true, kinds[each.sentences]) for each in said]
    lines = calibrate(tried)
    if lines:
        draft.json("calibration.json", lines)
        draft.table("reliability.parquet", measure(tried, lines))
