"""`findcli target`: a sentence -> a ranked audience.

Tested in tests/audiences/test_target.py.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from findcli.cli import console, panels, saving, sizes, understood, who_not, why
from findcli.cli.options import AsOf, Device, Json, Model, Threads, WorkspaceDir
from findcli.cli.sizes import Budget, Cost, Earlier, LockOption, TargetPrecision, Value
from findcli.cli.stage import limit_threads, settle_threads
from findcli.workspace.durations import parse_instant

if TYPE_CHECKING:
    import polars as pl

    from findcli.audiences.sizes import Goal
    from findcli.audiences.target import Audience
    from findcli.workspace.folder import Workspace

SHOWN, DEFAULT_TOP = 10, 100
Demand = Annotated[
    str | None, typer.Argument(metavar="DEMAND", help='One sentence, such as "users likely to rent phones".')
]
Demands = Annotated[
    Path | None,
    typer.Option("--demands", metavar="FILE", help="File of demands: one per line, or a column `demand`."),
]
LearnedPrompt = Annotated[
    str | None,
    typer.Option("--prompt", metavar="NAME", help="Rank by this prompt of findcli tune-prompt, not by a demand."),
]
TopK = Annotated[
    int | None, typer.Option("--top-k", min=1, help="Select at most this many users.", rich_help_panel=panels.SIZE)
]
TopPercent = Annotated[
    float | None,
    typer.Option(
        "--top-percent", min=0, max=100, help="Select at most this percentage of users.", rich_help_panel=panels.SIZE
    ),
]
MinScore = Annotated[
    float | None,
    typer.Option("--min-score", help="Select only users with at least this score.", rich_help_panel=panels.SIZE),
]
MinProbability = Annotated[
    float | None,
    typer.Option(
        "--min-probability",
        min=0,
        max=1,
        help="Select only users with at least this probability.",
        rich_help_panel=panels.SIZE,
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="FILTER",
        help="Rank only users whose profile passes, such as \"age >= 25 and region in ('north', 'east')\".",
        rich_help_panel=panels.WHO,
    ),
]
Everyone = Annotated[
    bool, typer.Option("--all", help="Select all embedded users, or all who pass --where.", rich_help_panel=panels.SIZE)
]
Rewrite = Annotated[
    str,
    typer.Option(
        "--rewrite",
        metavar="auto|off|SENTENCES",
        help="Read the demand as sentences of the vocabulary (auto), as it stands (off), or as your own sentences "
        'joined by or, and, and not: "The user purchased tea. and not The user purchased coffee."',
    ),
]
Explain = Annotated[bool, typer.Option("--explain-query", help="Show how demands are understood; rank nobody.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write the audience to this .parquet, .csv or .jsonl file.",
        rich_help_panel=panels.RESULT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--force", help="Overwrite the file even if the workspace reads it.", rich_help_panel=panels.RESULT),
]
Save = Annotated[
    str | None,
    typer.Option(
        "--save",
        metavar="NAME",
        help="Save the audience in the workspace; again, to refresh it.",
        rich_help_panel=panels.RESULT,
    ),
]


def target(
    demand: Demand = None,
    demands: Demands = None,
    prompt: LearnedPrompt = None,
    where: Where = None,
    top_k: TopK = None,
    top_percent: TopPercent = None,
    min_score: MinScore = None,
    min_probability: MinProbability = None,
    everyone: Everyone = False,
    exclude: who_not.Exclude = None,
    purpose: who_not.Purpose = None,
    keep_seeds: who_not.KeepSeeds = False,
    holdout: who_not.Holdout = None,
    experiment: who_not.ExperimentName = None,
    min_size: who_not.MinSize = None,
    target_precision: TargetPrecision = None,
    budget: Budget = None,
    cost: Cost = None,
    value: Value = None,
    lock: LockOption = None,
    earlier: Earlier = None,
    why_them: why.Why = False,
    why_users: why.WhyUsers = None,
    output: Output = None,
    force: Overwrite = False,
    save: Save = None,
    overwrite: saving.Replace = False,
    rewrite: Rewrite = "auto",
    explain_query: Explain = False,
    as_of: AsOf = None,
    model: Model = None,
    workspace: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Rank users by a demand in your own words, and select the best 100 unless you choose otherwise.

    A demand is read as sentences of the workspace's vocabulary: --explain-query shows which, and --rewrite keeps or
    replaces them. A file of demands is ranked in one process.

    --target-precision and --budget make the audience as large as they allow; findcli size shows what each size brings.
    --why says what sets the audience apart, and without which events its best users would not be in it.
    """
    explained = why.wanted(why_them, why_users, one_demand=demand is not None)
    limits = {"top_k": top_k, "top_percent": top_percent, "min_score": min_score, "min_probability": min_probability}
    limited = any(value is not None for value in limits.values())
    _refuse_contradictions(demand, demands, prompt, everyone=everyone, limited=limited)
    limits |= sizes.lock_limits(workspace, lock, earlier, limited=limited or everyone)
    aims = {"precision": target_precision, "budget": budget, "cost": cost, "value": value}
    if not everyone and all(value is None for value in [*limits.values(), *aims.values()]):
        limits["top_k"] = DEFAULT_TOP
    limit_threads(threads)
    from findcli.workspace.folder import load_workspace

    instant = None if as_of is None else parse_instant(as_of)
    users, other = load_workspace(workspace), None if model is None else load_workspace(model)
    sentences = _checked(users, demand, demands, where=where, output=output, force=force)
    left_out, held = who_not.asked(
        users, purpose=purpose, exclude=exclude, keep_seeds=keep_seeds, holdout=holdout, experiment=experiment,
        explain=explain_query, output=output,
    )  # fmt: skip
    if save is not None:
        saving.require_saveable(
            users, save, demand, prompt, demands, model=other, purpose=purpose, experiment=held, overwrite=overwrite
        )
    if as_of is None:
        _warn_of_changes(users)
    settle_threads(threads)
    from findcli.audiences.export import one_table, write_audience
    from findcli.audiences.select import Selection
    from findcli.audiences.sizes import Goal
    from findcli.audiences.target import explain
    from findcli.audiences.target import target as choose

    if explain_query:
        read = explain(users, sentences, as_of=instant, model=other, rewrite=rewrite, device=device or "auto")
        understood.report(read, as_json=as_json)
        return
    goal = Goal(**aims)
    audiences = choose(
        users,
        sentences,
        prompt=prompt,
        selection=Selection(**limits),  # type: ignore[arg-type]
        goal=goal,
        where=where,
        who_not=left_out,
        experiment=held,
        as_of=instant,
        model=other,
        rewrite=rewrite,
        device=device or "auto",
    )
    understood.refuse_or_warn([audience.rewriting for audience in audiences if audience.rewriting is not None])
    handed_on = output is not None or save is not None
    who_not.warn_or_refuse(audiences, min_size, handed_on=handed_on)
    if handed_on:
        who_not.warn_of_others(users, audiences)
    who_not.start(users, held)
    if output is not None:
        digest = write_audience(one_table(audiences, named=demands is not None), output)
        _log_file(users, audiences, output, digest)
    change = None if save is None else saving.save(users, save, audiences[0], model=other, overwrite=overwrite)
    reasons = (
        why.explain(users, audiences[0], why_users, as_of=instant, model=other, device=device or "auto")
        if explained
        else why.NOTHING
    )
    if as_json:
        more = reasons.plain() | saving.plain(change)
        plain = [plain_audience(each, output) | who_not.plain(users, each) | more for each in audiences]
        console.print_json(plain)
        return
    _print(audiences, goal, reasons, output)
    if change is not None:
        saving.print_change(change)


def _print(audiences: list[Audience], goal: Goal, reasons: why.Explained, output: Path | None) -> None:
    """Print the answer to each demand, why, and what was written."""
    print_passed(audiences[0])
    for audience in audiences[:SHOWN]:
        who_not.print_counts(audience)
        print_audience(audience, brief=len(audiences) > 1, goal=goal)
        who_not.print_experiment(audience)
        who_not.print_groups(audience)
    reasons.print()
    if output is not None:
        rows = sum(len(audience.selected) for audience in audiences)
        console.print_line(f"wrote {rows:,} rows to {console.shown(output)}")


def _log_file(workspace: Workspace, audiences: list[Audience], output: Path, digest: str) -> None:
    """Note the file in the log of audiences, which names nobody."""
    from findcli.audiences.log import log_list
    from findcli.workspace.objects import shown

    listed = sum(len(audience.selected) for audience in audiences)
    form, demands = output.suffix.removeprefix("."), [audience.demand for audience in audiences[:SHOWN]]
    log_list(workspace, shown(output), listed, form=form, digest=digest, demands=demands)


def _checked(
    workspace: Workspace,
    demand: str | None,
    demands: Path | None,
    *,
    where: str | None,
    output: Path | None,
    force: bool,
) -> list[str]:
    """The demands, once all that needs no model has been checked: what is wrong is said at once.

    Raises:
        FindCLIError: a demand is empty, the filter cannot be parsed, or the output cannot be written.
    """
    from findcli.audiences.export import require_writable
    from findcli.audiences.where.filter import workspace_filter
    from findcli.demands.files import read_demands
    from findcli.demands.grammar import require_demands

    sentences = [] if demand is None else [demand]
    sentences += [] if demands is None else read_demands(demands)
    if demand is not None or demands is not None:
        require_demands(sentences)
    if where is not None:
        workspace_filter(workspace, where)
    if output is not None:
        require_writable(output, workspace=workspace, force=force)
    return sentences


def _warn_of_changes(workspace: Workspace) -> None:
    """Warn of data that changed since users were embedded."""
    from findcli.data.events import changed_sources

    changed = changed_sources(workspace)
    if changed is not None:
        read, names = changed
        console.print_warning(
            f"{', '.join(names)} changed since {read:%Y-%m-%d %H:%M} UTC, when the data was read: "
            "this ranks users as they were then; findcli embed brings them up to date"
        )


def _refuse_contradictions(
    demand: str | None, demands: Path | None, prompt: str | None, *, everyone: bool, limited: bool
) -> None:
    if sum(choice is not None for choice in (demand, demands, prompt)) != 1:
        raise typer.BadParameter("give exactly one of a demand, a file with --demands, and a prompt with --prompt")
    if everyone and limited:
        raise typer.BadParameter(
            "--all selects everyone: leave it out, or leave out --top-k, --top-percent, --min-score and "
            "--min-probability"
        )


def print_passed(audience: Audience) -> None:
    """Print how many users pass the filter, if there is one, and how it was read."""
    passed = audience.where
    if passed is not None:
        share = passed.users / audience.embedded
        console.print_line(f"{passed.users:,} of {audience.embedded:,} users ({share:.1%}) pass {passed.expression}")
        for note in passed.notes:
            console.print_line(f"note: {note}")


def print_audience(audience: Audience, *, brief: bool, goal: Goal | None = None) -> None:
    """Print how many users are selected, who, how strong the audience is, and how the demand was read."""
    ranking, selected = audience.ranking, audience.selected
    share = len(selected) / max(len(ranking), 1)
    learned = "" if audience.prompt is None else f", as learned by the prompt {audience.prompt}"
    console.print_line(f'"{audience.demand}"{learned}')
    if audience.unanswered:
        console.print_line(audience.unanswered)
    day = f"{audience.as_of:%Y-%m-%d}"
    everyone = audience.where is None and not audience.conditions
    users = "users" if everyone else "users who pass"
    _print_conditions(audience)
    size = f"{len(selected):,} of {len(ranking):,} {users} ({share:.1%})"
    console.print_line(f"{size}, histories before {day}; {_strength(audience)}")
    sizes.print_goal(goal, len(selected))
    if audience.offer is not None:
        console.print_line(
            f"the demand names profile values; to rank only these users: --where {_shell(audience.offer)}"
        )
    if len(selected):
        low, middle = float(selected["score"][-1]), float(ranking["score"].median())  # type: ignore[arg-type]
        console.print_line(f"scores {float(selected['score'][0]):.3f} to {low:.3f}; the median user has {middle:.3f}")
    how = audience.rewriting
    if how is not None and how.clauses:
        known = len(selected) and not _ranked_only(selected)
        understood.print_understood(how, brief=brief, within=audience.future if known else None)
    if not brief:
        if how is None or not how.clauses:
            read = "; ".join(f"{text} ({cosine:.2f})" for text, cosine in audience.nearest)
            console.print_line(f"read as: {read}")
        shown = ["rank", "user", "score", *([] if _ranked_only(selected) else ["probability"])]
        rows = [
            [row["rank"], str(row["user_id"]), *(row[name] for name in shown[2:])]
            for row in _head(selected).iter_rows(named=True)
        ]
        if rows:
            console.print_table(shown, rows)
        if len(selected) > SHOWN:
            console.print_line(f"... and {len(selected) - SHOWN:,} more; --output FILE.csv writes them all")


def _print_conditions(audience: Audience) -> None:
    for condition in audience.conditions:
        passed = f"{condition.users:,} of {audience.embedded:,} users ({condition.users / audience.embedded:.1%})"
        console.print_line(f"only users who pass, by the demand's own words: {condition.expression}: {passed}")
        for note in condition.notes:
            console.print_line(f"note: {note}")


def _ranked_only(selected: pl.DataFrame) -> bool:
    return selected["probability"].null_count() > 0


def _strength(audience: Audience) -> str:
    """For how many users the demand is expected to come true, if that is known."""
    if audience.size is not None:
        return sizes.expected(audience.size)
    if _ranked_only(audience.selected) or not len(audience.selected):
        return "rank only" if _ranked_only(audience.ranking) else "expected to come true for 0"
    total = float(audience.selected["probability"].sum())
    expected = f"expected to come true for {total:,.0f} ({total / len(audience.selected):.0%})"
    return f"{expected}, with no interval: how far off demands of this kind are is not known"


def _shell(text: str) -> str:
    """Quote a text as one word for a shell, in double quotes if they are enough."""
    return shlex.quote(text) if any(mark in text for mark in '"$`\\!') else f'"{text}"'


def _head(selected: pl.DataFrame) -> pl.DataFrame:
    return selected.head(SHOWN)


def plain_audience(audience: Audience, output: Path | None = None) -> dict[str, Any]:
    """An audience as JSON, without its users if they went to a file."""
    listed = None if output is not None else audience.selected.to_dicts()
    return {
        "demand": audience.demand,
        "prompt": audience.prompt,
        "as_of": audience.as_of.isoformat(),
        "users": audience.embedded,
        "where": None if audience.where is None else asdict(audience.where),
        "conditions": [asdict(condition) for condition in audience.conditions],
        "offered_where": audience.offer,
        "selected": len(audience.selected),
        "expected": sizes.plain(audience.size),
        "unanswered": audience.unanswered or None,
        "rewriting": None if audience.rewriting is None else understood.plain(audience.rewriting),
        "nearest": [{"sentence": text, "cosine": cosine} for text, cosine in audience.nearest],
        "audience": listed,
        "output": output,
    }
