"""What the user of `findcli init --from tables` says of the tables.

Tested in tests/datasets/test_unknown_tables.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from findcli.data.reader.numbers import formula_columns
from findcli.datasets.unknown_tables import UnknownTable
from findcli.errors import FindCLIError


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Columns that are named instead of guessed, in every table that has them; and the file of the profile."""

    user: str | None = None
    time: str | None = None
    item: str | None = None
    amount: str | None = None
    profile: str | None = None

    def amount_columns(self, names: list[str]) -> list[str]:
        """The columns of the declared amount that a table has all of; none otherwise."""
        try:
            needed = formula_columns(self.amount, names) if self.amount else []
        except ValueError as error:
            raise FindCLIError(
                f"--amount: {error}", hint="name a column, or write such as 'quantity * price'"
            ) from error
        return needed if set(needed) <= set(names) else []

    def require_known(self, tables: list[UnknownTable]) -> None:
        """Refuse a name that no table has.

        Raises:
            FindCLIError: a column or file is in none of the tables.
        """
        columns = {name for table in tables for name in table.sample.columns}
        listed = "; ".join(f"{table.path}: {', '.join(table.sample.columns)}" for table in tables)
        for key, name in asdict(self).items():
            if name is None or key in ("profile", "amount"):
                continue
            if name not in columns:
                raise FindCLIError(f"--{key} {name}: no table has such a column", hint=f"the columns are {listed}")
        if self.amount and not any(self.amount_columns(table.sample.columns) for table in tables):
            raise FindCLIError(f"--amount {self.amount}: no table has such columns", hint=f"the columns are {listed}")
        if self.profile and self.profile not in [table.path for table in tables]:
            raise FindCLIError(f"--profile {self.profile}: it is none of the files", hint="name it among FILES too")
