"""`findcli pretrain text|sequence|tabular`: self-supervised stage 1, an encoder each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from findcli.cli.options import Group
from findcli.cli.stage import training_command

if TYPE_CHECKING:
    from findcli.workspace.runs import Run


def _text() -> Callable[..., Run]:
    from findcli.models.text.pretrain import pretrain_text

    return pretrain_text


def _sequence() -> Callable[..., Run]:
    from findcli.models.find.pretrain_sequence import pretrain_sequence

    return pretrain_sequence


def _tabular() -> Callable[..., Run]:
    from findcli.models.find.pretrain_tabular import pretrain_tabular

    return pretrain_tabular


app = typer.Typer(cls=Group, help="Train one encoder on histories alone.", no_args_is_help=True)
app.command("text", help="Train or take the text encoder, and embed every distinct text of the histories.")(
    training_command("text", _text)
)
app.command("sequence", help="Train the behaviour encoder to tell what comes next in a history.")(
    training_command("sequence", _sequence)
)
app.command("tabular", help="Train the profile encoder to restore masked values and to find replaced ones.")(
    training_command("tabular", _tabular)
)
