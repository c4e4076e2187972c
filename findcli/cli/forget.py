"""`findcli forget`: take users out of everything that findcli wrote, and keep them out.

Tested in tests/audiences/forgetting/test_forget.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from findcli.cli import console
from findcli.cli.options import DryRun, Json, WorkspaceDir

if TYPE_CHECKING:
    from findcli.audiences.forgetting.forget import Forgotten

SHOWN = 5
Users = Annotated[list[str], typer.Argument(metavar="USER...", help="Ids of the users, as the tables spell them.")]
Sources = Annotated[
    bool, typer.Option("--sources", help="Rewrite your own tables too; without it they are named alone.")
]


def forget(
    users: Users,
    sources: Sources = False,
    dry_run: DryRun = False,
    workspace: WorkspaceDir = None,
    as_json: Json = False,
) -> None:
    """Take users out of run folders, saved audiences and caches, and keep a refresh from bringing them back.

    Models that were trained on them are named: findcli run trains them again without. Your own tables are named, and
    rewritten with --sources.
    """
    from findcli.audiences.forgetting.forget import forget as take_out
    from findcli.workspace.folder import load_workspace

    opened = load_workspace(workspace)
    done = take_out(opened, users, sources=sources, dry_run=dry_run)
    if as_json:
        console.print_json(_plain(done, dry_run=dry_run))
    else:
        _print(done, sources=sources, dry_run=dry_run)


def _print(done: Forgotten, *, sources: bool, dry_run: bool) -> None:
    held = done.held
    rows = [["events", held.events], ["dates with embeddings", len(held.embeddings)]]
    rows += [["texts that only they wrote", len(held.texts)]] if held.texts else []
    rows += [[f"audience {name}", count] for name, count in done.audiences.items()]
    console.print_table(["would take out" if dry_run else "took out", "number"], rows)
    if held.models:
        names = ", ".join(folder.name for folder in held.models)
        console.print_line(f"trained on them, and not unlearned: {names}")
        console.print_line("findcli run trains again without them; findcli clean then removes what is superseded")
    if held.texts:
        console.print_line("texts that only they wrote stay in the words of models and embeddings until then")
    for listed in done.sources:
        would = sources and dry_run and not listed.elsewhere
        kept = "rewritten" if listed.path in done.rewritten else "would be rewritten" if would else "kept"
        console.print_line(f"{listed.what}: {listed.rows:,} rows in {console.shown(listed.path)}: {kept}")
    if any(listed.elsewhere for listed in done.sources):
        console.print_line("what lies elsewhere is yours to change")
    if not sources and not all(listed.elsewhere for listed in done.sources):
        console.print_line("your tables still name them; --sources takes them out there too")
    for path in done.handed_on[:SHOWN]:
        console.print_line(f"handed on before, and may name them: {path}")
    if len(done.handed_on) > SHOWN:
        console.print_line(f"... and {len(done.handed_on) - SHOWN:,} more files; findcli audience log lists them")
    if done.is_nothing:
        console.print_warning("no file here names them: check how the ids are spelled")
    one = "user" if done.users == 1 else "users"
    after = "would be forgotten" if dry_run else "forgotten: no refresh brings them back"
    console.print_line(f"{done.users:,} {one} {after}")


def _plain(done: Forgotten, *, dry_run: bool) -> dict[str, Any]:
    return {
        "users": done.users,
        "dry_run": dry_run,
        "events": done.held.events,
        "texts": len(done.held.texts),
        "embeddings": [str(folder) for folder in done.held.embeddings],
        "models": [str(folder) for folder in done.held.models],
        "audiences": done.audiences,
        "handed_on": done.handed_on,
        "sources": [{"what": each.what, "path": console.shown(each.path), "rows": each.rows} for each in done.sources],
        "rewritten": done.rewritten,
    }
