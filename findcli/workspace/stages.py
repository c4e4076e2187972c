"""Every stage, declared once: name, run folder, format version, command, inputs, and its result in one line.

`pipeline.py` binds a builder to each. `run`, `status`, `clean`, `embed` and the errors about run folders read this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOSS = "loss {loss_first:.3g} → {loss_last:.3g} in {steps:.0f} steps"
RANKS = (
    "ranks by {ranker}; on validation users network {auc_network:.3f}, trees {auc_trees:.3f}, counts {auc_counts:.3f}"
)
VALIDATION = "validation AUC {validation_auc:.3f}, recall@10 {validation_recall_at_10:.3f}"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step from raw tables to a ranking of users.

    Attributes:
        name: its name, and the kind of its run folder.
        format: version of the run folder's format.
        command: the command that makes it.
        needs: the stages it reads.
        folder: its path in the folder of runs; "NAME/*" if it has one folder per date or name.
        headline: its result, as format strings over its metrics; strings whose metrics are missing are left out.
        also: stages that its command also brings up to date.
        in_run: whether `findcli run` makes it.
        optional: whether it is of use by itself where no other stage of the workspace reads it.
        seeded: whether it depends on the seed.
        on_device: whether it computes with torch.
        by_part: whether it works partition by partition, where an engine says.
    """

    name: str
    format: int
    command: str
    needs: tuple[str, ...] = ()
    folder: str = ""
    headline: tuple[str, ...] = (LOSS,)
    also: tuple[str, ...] = ()
    in_run: bool = True
    optional: bool = False
    seeded: bool = True
    on_device: bool = True
    by_part: bool = False

    @property
    def many(self) -> bool:
        """Whether it has one folder per date or name."""
        return self.folder.endswith("/*")

    def folders(self, runs: Path) -> list[Path]:
        """Its run folders, sorted; an interrupted one may exist only as leftovers such as `.NAME.draft`."""
        if not self.many:
            return [runs / (self.folder or self.name)]
        parent = runs / self.folder.removesuffix("/*")
        names = {path.name.removeprefix(".").split(".")[0] for path in parent.glob("*")}
        return [parent / name for name in sorted(names)]

    def result(self, metrics: Mapping[str, Any]) -> str:
        """The result of a finished run, in one line for people."""
        lines = []
        for template in self.headline:
            try:
                lines.append(template.format_map(metrics))
            except KeyError:  # an older run, or one that took no step, lacks the figure
                continue
        return "; ".join(lines)


_DECLARED = (
    Stage(
        name="copy", format=1, command="findcli build-pairs", folder="copies/*", in_run=False, seeded=False,
        on_device=False, headline=("{rows:,} rows",),
    ),
    Stage(
        name="events", format=2, command="findcli build-pairs", seeded=False, on_device=False,
        headline=("{rows:,} events of {users:,} users",),
    ),
    Stage(
        name="pairs", format=2, command="findcli build-pairs", needs=("events",), also=("events",), seeded=False,
        on_device=False, by_part=True,
        headline=("{pairs:,} pairs of {users:,} users at {cutoffs} cutoffs, {sentences:,} sentences",),
    ),
    Stage(
        name="text", format=1, command="findcli pretrain text", needs=("pairs",),
        headline=("{texts:,} texts in {d_space} dimensions", LOSS),
    ),
    Stage(name="sequence", format=1, command="findcli pretrain sequence", needs=("pairs", "text")),
    Stage(name="tabular", format=1, command="findcli pretrain tabular", needs=("pairs",)),
    Stage(
        name="next_event", format=1, command="findcli pretrain next-event", needs=("events", "pairs"), optional=True,
        headline=("{tokens:,} tokens are {coverage:.1%} of events", LOSS, "validation {validation_best:.3f}"),
    ),
    Stage(
        name="aligned", format=6, command="findcli align", headline=(RANKS, VALIDATION, LOSS),
        needs=("events", "pairs", "text", "sequence", "tabular", "next_event"),
    ),
    Stage(
        name="embeddings", format=6, command="findcli embed", needs=("events", "text", "aligned"), also=("events",),
        folder="embeddings/*", seeded=False, by_part=True, headline=("{users:,} users, {d_embedding} dimensions",),
    ),
    Stage(
        name="rewriter", format=2, command="findcli tune-rewriter", needs=("events",), also=("events",),
        in_run=False,
        headline=(
            "right name first for {accuracy_before:.0%} → {accuracy_after:.0%} of {held_out} held-out demands", LOSS,
        ),
    ),
    Stage(
        name="prompt", format=2, command="findcli tune-prompt", needs=("text", "aligned", "embeddings"),
        folder="prompts/*", in_run=False, headline=(),
    ),
)  # fmt: skip
STAGES: dict[str, Stage] = {stage.name: stage for stage in _DECLARED}
BEFORE_ALIGNMENT = STAGES["aligned"].needs
