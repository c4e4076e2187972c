"""`findcli pretrain`: train one encoder per modality, each on histories alone.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

import typer

from findcli.cli.options import Group
from findcli.cli.stage import training_command

HELPS = {
    "text": "Load or train the text encoder, and embed every distinct text of the histories.",
    "sequence": "Train the behaviour encoder to predict what comes next in a history.",
    "tabular": "Train the profile encoder to restore masked values and to spot replaced ones.",
}
EXAMPLES = {
    "text": "Example: findcli pretrain text --device cuda",
    "sequence": "Example: findcli pretrain sequence --set sequence.steps=2000",
    "tabular": "Example: findcli pretrain tabular --seed 1 --force",
}

app = typer.Typer(cls=Group, help="Train one encoder on histories alone.", no_args_is_help=True)
for name, text in HELPS.items():
    app.command(name, help=text, epilog=EXAMPLES[name])(training_command(name))
