"""What is declared of how the files of a table are written; what is not is decided from the files.

Tested in tests/data/reader/test_tables.py.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TableForm:
    """How text files are written.

    Attributes:
        encoding: such as "utf-8", "utf-16" or "cp1252".
        delimiter: what parts the fields of a row.
        header: whether the first row names the columns; else they are column_1, ...
        comment: lines that begin with it are left out.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    comment: str | None = None
