"""Files of demands."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from findcli.errors import FindCLIError, first_line


def read_demands(path: Path) -> list[str]:
    """The demands of a file: the column `demand` of a CSV, TSV or Parquet file, or else one sentence a line.

    Raises:
        FindCLIError: the file cannot be read or holds none.
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
        hint = "give a text file with a sentence a line, or a CSV, TSV or Parquet file with a column `demand`"
        raise FindCLIError(f"the demands in {path} cannot be read: {first_line(error)}", hint=hint) from error
    found = [demand for demand in demands if demand]
    if not found:
        raise FindCLIError(f"{path} holds no demand", hint="write a sentence a line, or a column `demand`")
    return found
