"""`findcli align`: fuse the encoders, and align users with sentences."""

from __future__ import annotations

from findcli.cli.stage import training_command

HELP = "Fuse the encoders, and align users with sentences about their future."

align = training_command("aligned")
