"""Read files of demands.

Tested in tests/audiences/test_target.py.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from findcli.errors import FindCLIError, first_line


def read_demands(path: Path) -> list[str]:
    """The demands of a file: the column `demand` of a CSV, TSV or Parquet file, otherwise one sentence per line.

    Raises:
        FindCLIError: the file cannot be read or contains no demand.
    """
    separators = {".csv": ",", ".tsv": "\t"}
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            demands = pl.read_parquet(path)["demand"].cast(pl.String).to_list()
        elif suffix in separators and "demand" in (
            columns := pl.read_csv(path, separator=separators[suffix], n_rows=0).columns
        ):
            demands = pl.read_csv(
                path, separator=separators[suffix], schema_overrides=dict.fromkeys(columns, pl.String)
            )["demand"].to_list()
        else:
            demands = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        hint = "use a text file with one sentence per line, or a CSV, TSV or Parquet file with a column `demand`"
        raise FindCLIError(f"the demands in {path} cannot be read: {first_line(error)}", hint=hint) from error
    sentences = [demand for demand in demands if demand]
    if not sentences:
        raise FindCLIError(f"{path} contains no demand", hint="write one sentence per line, or a column `demand`")
    return sentences
