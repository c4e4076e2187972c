"""`findcli align`: fuse the encoders, and align users with sentences.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from findcli.cli.stage import training_command

HELP = "Fuse the encoders, and align users with sentences about their future."

align = training_command("aligned")
