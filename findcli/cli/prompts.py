"""`findcli prompts`: list the learned prompts of a workspace, and show what one has learned.

Tested in tests/audiences/prompts/test_store.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console
from findcli.cli.options import Group, Json, Model, WorkspaceDir

if TYPE_CHECKING:
    from findcli.audiences.prompts.store import Prompt

Name = Annotated[str, typer.Argument(metavar="NAME", help="Prompt name.")]

app = typer.Typer(cls=Group, help="List learned prompts, and show what one has learned.", no_args_is_help=True)


@app.command("list", epilog="Example: findcli prompts list --workspace shop")
def list_(workspace: WorkspaceDir = None, as_json: Json = False) -> None:
    """List the learned prompts, with their AUC before and after tuning."""
    from findcli.audiences.prompts.store import list_prompts
    from findcli.workspace.folder import load_workspace

    learned = list_prompts(load_workspace(workspace))
    if as_json:
        console.print_json([asdict(each) for each in learned])
    elif learned:
        print_prompts(learned)
    else:
        console.print_line('no prompts yet; make one with: findcli tune-prompt "SENTENCE" --seeds FILE --name NAME')


@app.command("show", epilog="Example: findcli prompts show phone-renters")
def show(name: Name, model: Model = None, workspace: WorkspaceDir = None, as_json: Json = False) -> None:
    """Show how far each token of a prompt moved from its word, and which words it is nearest to now."""
    from findcli.audiences.prompts.store import leanings, learned_tokens, open_prompt
    from findcli.workspace.folder import load_workspace

    opened, other = load_workspace(workspace), None if model is None else load_workspace(model)
    prompt, _ = open_prompt(opened, name, trained=other)
    tokens = learned_tokens(opened, name, trained=other)
    if as_json:
        more, less = leanings(opened, name, trained=other)
        plain = asdict(prompt) | {"tokens": [asdict(token) for token in tokens], "more": more, "less": less}
        console.print_json(plain)
        return
    print_prompts([prompt])
    rows = [
        [token.word, token.moved, ", ".join(f"{word} ({cosine:.2f})" for word, cosine in token.nearest)]
        for token in tokens
    ]
    console.print_table(["token", "moved", "nearest words"], rows)
    more, less = leanings(opened, name, trained=other)
    if more:
        console.print_line(f"more than the sentence: {' '.join(more)}")
        console.print_line(f"less: {' '.join(less)}")


def print_prompts(learned: Sequence[Prompt]) -> None:
    """Print a row per prompt, with the sentence's weight and the AUC of held-out seeds against users at random."""
    rows = []
    for each in learned:
        seeds = f"{each.metrics['positives']} + {each.metrics['hard_negatives']}"
        state = "current" if each.current else "of an older model"
        rows.append(
            [each.name, state, each.sentence, seeds, each.metrics["steps"], each.metrics["weight"],
             each.metrics["sentence_auc"], each.metrics["auc"]]
        )  # fmt: skip
    console.print_table(["prompt", "state", "sentence", "seeds", "steps", "weight", "AUC before", "after"], rows)
