"""`findcli pretrain`: train one encoder a modality, each on histories alone.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

import typer

from findcli.cli.options import Group
from findcli.cli.stage import training_command

HELPS = {
    "text": "Train or take the text encoder, and embed every distinct text of the histories.",
    "sequence": "Train the behaviour encoder to tell what comes next in a history.",
    "tabular": "Train the profile encoder to restore masked values and to find replaced ones.",
}

app = typer.Typer(cls=Group, help="Train one encoder on histories alone.", no_args_is_help=True)
for name, text in HELPS.items():
    app.command(name, help=text)(training_command(name))
