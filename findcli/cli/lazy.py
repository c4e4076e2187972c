"""Commands that are imported when they are called, so that `findcli --help` reads one table and no module.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

import typer
import typer.main
from typer.core import TyperCommand

from findcli.cli.options import Group


@dataclass(frozen=True)
class Command:
    """One line of the tree of commands.

    Attributes:
        name: as it is typed.
        loads: "module:attribute" of its function, or of the Typer app of a group or of a command with a class of its
            own; the module stands in `findcli.cli`.
        panel: the heading that the help lists it under.
        help: what it does, in one line; the first paragraph of its own help.
        example: the words after its name; None if its own help has one.
    """

    name: str
    loads: str
    panel: str
    help: str
    example: str | None = None

    def stub(self) -> TyperCommand:
        """What the help lists: a command that has a name and a line of help, and does nothing."""
        return TyperCommand(self.name, help=self.help, rich_help_panel=self.panel)

    def load(self) -> Any:
        """Import the command or the group.

        Returns:
            A Typer command, its help as in the table where its function says nothing itself.
        """
        module, _, attribute = self.loads.partition(":")
        loaded = getattr(import_module(f"findcli.cli.{module}"), attribute)
        if not isinstance(loaded, typer.Typer):
            function, loaded = loaded, typer.Typer(add_completion=False)
            loaded.command(self.name, help=None if function.__doc__ else self.help)(function)
        command: Any = typer.main.get_command(loaded)
        command.name, command.rich_help_panel = self.name, self.panel
        command.help = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
        if self.example is not None:
            command.epilog = f"Example: findcli {self.name} {self.example}"
        return command


class Commands(Mapping[str, Any]):
    """The commands of a table by name, each loaded once, when it is looked up."""

    def __init__(self, table: tuple[Command, ...]) -> None:
        self.by_name = {command.name: command for command in table}
        self._load = cache(lambda name: self.by_name[name].load())

    def __getitem__(self, name: str) -> Any:
        """The loaded command."""
        return self._load(name)

    def __iter__(self) -> Iterator[str]:
        """The names, in the table's order."""
        return iter(self.by_name)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.by_name)


class LazyGroup(Group):
    """A group whose commands stand in a table: it lists their stubs, and loads the one that is called."""

    table: ClassVar[tuple[Command, ...]] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes | {"commands": {}})
        self.commands: Any = Commands(self.table)

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """The names, in the table's order."""
        return list(self.commands)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002
        """What the help lists of a command."""
        command = self.commands.by_name.get(cmd_name)
        return None if command is None else command.stub()

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The command that is called, loaded."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else self.commands[name], rest
