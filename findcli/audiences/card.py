"""`findcli card`: a model card and data sheet in Markdown, from the manifests of the runs and of an audience.

What no manifest says is said to be unknown, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from findcli.audiences.saved import Record, Saved
from findcli.data.forgotten import forgotten_hashes
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.privacy_settings import Consent
from findcli.workspace.runs import Manifest, Run, open_run, read_manifest
from findcli.workspace.settings import Profile, Windows
from findcli.workspace.stages import STAGES

TRAINED = ("text", "sequence", "tabular", "next_event", "aligned", "rewriter")
FEWEST = 20  # users of a group that is shown by itself
NOT_FOR = "decisions on credit, employment, insurance or housing, or any other with legal or similarly serious effects"
LIMITS = (
    "It ranks by what users did before; it says what is likely to follow, not what causes it, and not what a message "
    "would change: for that hold out a control group.",
    "A probability is of one sentence in one length of time. A demand that is ranked only has none.",
    "It knows what the training sentences speak of, and answers anything else with the nearest of them.",
    "Users with little history are ranked mostly by that.",
)


def card(workspace: Workspace, saved: Saved | None = None) -> str:
    """The card of a workspace's model, and of an audience that it ranked.

    Args:
        workspace: whose model.
        saved: a saved audience, described in a section of its own.

    Raises:
        FindCLIError: no model is trained, or a run folder cannot be read.
    """
    manifests = {name: read_manifest(workspace.run(name)) for name in ("events", "pairs", *TRAINED)}
    if manifests["aligned"] is None:
        raise FindCLIError("no model is trained in this workspace", hint="train one with: findcli run")
    made = {name: manifest for name, manifest in manifests.items() if manifest is not None}
    general = workspace.settings.workspace
    sections = [
        [
            f"# Model card: {general.name}",
            "",
            f"Written by findcli {made['aligned'].findcli} from the manifests of its runs.",
        ],
        _use(general.subject, workspace.settings.consent),
        _data(workspace, made),
        _groups(workspace, made),
        _training(made),
        _quality(workspace),
        [] if saved is None else _audience(saved),
        ["## Limits", "", *(f"- {limit}" for limit in LIMITS)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _use(subject: str, consent: Consent) -> list[str]:
    return [
        "## Use",
        "",
        f"- **For:** choosing whom of one's own {subject}s to address, by one sentence about what they may do next.",
        f"- **Not for:** {NOT_FOR}.",
        f"- **Left out before anyone is scored:** {_left_out(consent)}.",
        f"- **Trained on:** {subject}s are left out of lists, not of training: what was learned from those who object "
        "or did not agree stays until `findcli forget` names them and the model is trained again.",
    ]


def _left_out(consent: Consent) -> str:
    """Whom [consent] leaves out; nobody where it names no table, or neither objections nor purposes."""
    objecting = [] if consent.objection is None else ["those who object to direct marketing"]
    silent = [f"those who did not agree to the purpose ({', '.join(consent.purposes)})"] if consent.purposes else []
    if consent.path is None or not (objecting or silent):
        return "nobody for an objection or for want of consent, since this workspace names no table of either"
    return " and ".join([*objecting, *silent])


def _data(workspace: Workspace, made: Mapping[str, Manifest]) -> list[str]:
    """The data sheet: tables, dates, sizes, what was held out, and who was forgotten."""
    settings = workspace.settings
    rows = [
        [source.name, ", ".join(source.families), ", ".join(_columns(source)), source.where]
        for source in settings.sources
    ]
    split = settings.split
    return [
        "## Data sheet",
        "",
        *_table(["source", "read as", "columns", "file"], rows),
        "",
        _events(made.get("events")),
        f"- **Read for training:** events before {settings.windows.train_until:%Y-%m-%d} alone.",
        _pairs(settings.windows, made.get("pairs")),
        f"- **Held out of training:** {_held_out(split.held_out_users, split.users_file, 'user')}; "
        f"{_held_out(split.held_out_categories, split.categories_file, 'category')}.",
        f"- **Attributes:** {', '.join(_attributes(settings.profile)) or 'none'}.",
        f"- **Contacts** (e-mail, phone, address) are read at export alone: {_contacts(workspace)}.",
        f"- **Users forgotten on request:** {len(forgotten_hashes(workspace)):,}.",
    ]


def _events(log: Manifest | None) -> str:
    if log is None:
        return "- **Events:** not known; there is no event log."
    metrics = log.metrics
    dates = f"{_day(metrics['first'])} to {_day(metrics['last'])}"
    return f"- **Events:** {metrics['rows']:,} of {metrics['users']:,} users, {dates}."


def _pairs(windows: Windows, pairs: Manifest | None) -> str:
    if pairs is None:
        return "- **Training pairs:** not known; there are none."
    metrics = pairs.metrics
    return (
        f"- **Training pairs:** {metrics['pairs']:,} of {metrics['users']:,} users at {metrics['cutoffs']} dates, each "
        f"with {windows.history} of history and {windows.future} of outcomes; {metrics['sentences']:,} sentences."
    )


def _columns(source: Any) -> list[str]:
    slots = ("item", "category", "department", "merchant", "amount", "status", "channel", "text")
    return [slot for slot in slots if getattr(source, slot) is not None]


def _attributes(profile: Profile) -> list[str]:
    return [*profile.categorical, *profile.ordered, *profile.numeric, *(each.name for each in profile.aggregates)]


def _held_out(one_in: int, file: str | None, what: str) -> str:
    if file is not None:
        return f"the {what} names of {file}"
    return f"one {what} in {one_in}" if one_in else f"no {what}"


def _contacts(workspace: Workspace) -> str:
    path = workspace.settings.contacts.path
    return "none are named" if path is None else path


def _groups(workspace: Workspace, made: Mapping[str, Manifest]) -> list[str]:
    """How training users part by the words of their profile, as of the last cutoff; small groups are put together."""
    if "pairs" not in made:
        return []
    run = open_run(workspace.run("pairs"), "pairs")
    profile = workspace.settings.profile
    names = [*profile.categorical, *profile.ordered]
    if not names:
        return ["## Groups", "", "No attribute in words is read, so training users are not counted by groups."]
    last = pl.col("cutoff") == pl.col("cutoff").max()
    frame = pl.concat([run.table("pairs.parquet"), run.table("profiles.parquet")], how="horizontal").filter(last)
    present = [name for name in names if name in frame.columns]
    lines = [f"- **{name}:** {'; '.join(_shares(frame[name]))}." for name in present]
    return ["## Groups", "", f"{len(frame):,} training users as of the last date that was trained on:", "", *lines]


def _shares(column: pl.Series) -> Iterator[str]:
    counts = column.cast(pl.String).value_counts(sort=True).rows()
    small = sum(n for _, n in counts if n < FEWEST)
    for value, n in counts:
        if n >= FEWEST:
            yield f"{'not known' if value is None else value} {n / len(column):.0%}"
    if small:
        yield f"{small / len(column):.0%} in groups of fewer than {FEWEST}"


def _training(made: Mapping[str, Manifest]) -> list[str]:
    rows = [
        [name, _day(made[name].started), STAGES[name].result(made[name].metrics), made[name].seed, made[name].findcli]
        for name in TRAINED
        if name in made
    ]
    return ["## Training", "", *_table(["stage", "made", "result", "seed", "findcli"], rows)]


def _quality(workspace: Workspace) -> list[str]:
    """How well it ranked users that training did not see, and how its probabilities were calibrated."""
    run = open_run(workspace.run("aligned"), "aligned")
    lines = ["## How good", ""]
    if (run.folder / "ranking.json").is_file():
        ranking = run.json("ranking.json")
        kept, kinds = ranking["kept"], ranking.get("by_kind", {}).get(ranking["kept"], {})
        rows = [
            ["all sentences", _area(ranking["auc"].get(kept))],
            *([kind, _area(area)] for kind, area in kinds.items()),
        ]
        lines += [
            "AUC on validation users, none of whom trained: 0.5 ranks by chance, 1 is perfect. No interval is stored; "
            "`findcli evaluate` gives one on tasks with labels.",
            "",
            *_table(["sentences about", "AUC"], rows),
        ]
    else:
        lines += ["No ranking on validation users is stored; `findcli evaluate` measures one on tasks with labels."]
    lines += ["", *_reliability(run)]
    warning = run.manifest.metrics.get("warning")
    return [*lines, "", f"**Warning:** {warning}."] if warning else lines


def _reliability(run: Run) -> list[str]:
    """What corrects the sums of probabilities at each depth, where the model stores it."""
    if not (run.folder / "reliability.parquet").is_file():
        return ["Corrections of expected responders by depth are not stored."]
    table = run.table("reliability.parquet")
    plain = [name for name, kind in table.schema.items() if kind.is_numeric() or kind == pl.String]
    rows = [[_cell(value) for value in row] for row in table.select(plain).head(20).iter_rows()]
    return ["Corrections by depth of the list (share of users), in log odds:", "", *_table(plain, rows)]


def _audience(saved: Saved) -> list[str]:
    record = saved.record
    sizes = record.sizes
    lines = [
        f"## Audience: {saved.name}",
        "",
        f"- **Asked:** {'; '.join(record.demands) or 'nothing'}",
        *([f"- **Made of:** {record.made_by} of {', '.join(record.made_of)}"] if record.made_of else []),
        *([f"- **Read as:** {'; '.join(record.reading)}"] if record.reading else []),
        f"- **Users:** {_number(sizes.embedded)} with a history, {_number(sizes.passed)} ranked, "
        f"{sizes.selected:,} selected.",
        *(f"- **Filter:** {each['expression']}: {each['users']:,} pass." for each in record.filters),
        *(f"- **Left out:** {users:,} who {reason}." for reason, users in _drops(record)),
        f"- **Expected to come true** for {_expected(saved)}.",
        f"- **Histories before** {_day(record.as_of)}; saved {record.created}",
    ]
    return [*lines, *_details(record.details)]


def _drops(record: Record) -> Iterator[tuple[str, int]]:
    """Who was left out and how many, before ranking and after; filters and size are told apart from them."""
    counted = (record.details.get("counts") or {}).get("drops", [])
    after = [drop.reason for drop in record.drops]
    for drop in counted:
        if drop["kind"] not in ("filter", "selection") and drop["reason"] not in after:
            yield drop["reason"], drop["users"]
    yield from ((drop.reason, drop.users) for drop in record.drops)


def _details(details: Mapping[str, Any]) -> Iterator[str]:
    """What other parts of findcli note of an audience."""
    if (purpose := details.get("purpose")) is not None:
        yield f"- **Purpose** that users agreed to: {purpose}."
    if experiment := details.get("experiment"):
        yield (
            f"- **Experiment:** {experiment.get('name')}: {_number(experiment.get('held_out'))} users held out, "
            f"{_number(experiment.get('reached'))} reached."
        )
    if used := details.get("sensitive_columns_used"):
        yield f"- **Sensitive columns used:** {', '.join(used)}."
    for rates in details.get("group_rates") or ():
        yield f"- **Rates by {rates.get('column')}:** {_rates(rates)}."
    for warning in details.get("warnings") or ():
        yield f"- **Warning:** {warning}."


def _rates(rates: Mapping[str, Any]) -> str:
    groups = [f"{group['value']} {group['selected']:,} of {group['users']:,}" for group in rates.get("groups", ())]
    ratio, interval = rates.get("ratio"), rates.get("interval")
    said = "" if ratio is None else f"; lowest over highest rate {ratio:.2f}"
    return ", ".join(groups) + said + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if ratio and interval else "")


def _expected(saved: Saved) -> str:
    """Of those who are reached: a control group is not."""
    expected = saved.record.expected
    if expected is None:
        return "a number of users that is not known"
    users = saved.users()
    control = int((users["group"] == "control").sum())
    without = f" without the {control:,} of the control group" if control else ""
    return f"{expected:,.0f} of {len(users) - control:,} users{without}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table in Markdown; a bar in a cell is written so that it does not end it."""
    lines = [columns, ["---"] * len(columns), *rows]
    return [
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    ]


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "not known how many"


def _area(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _cell(value: object) -> object:
    return f"{value:.3f}" if isinstance(value, float) else value


def _day(instant: object) -> str:
    return "an unknown date" if instant is None else f"{datetime.fromisoformat(str(instant)):%Y-%m-%d}"
