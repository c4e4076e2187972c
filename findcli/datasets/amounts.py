"""Money in an unknown table: its amount, or quantity and price; which rows are returns; and the currency.

Tested in tests/datasets/test_unknown_tables.py.
"""

from __future__ import annotations

import re

import polars as pl

from findcli.data.reader import nulls
from findcli.data.sources import MARKS
from findcli.datasets import columns, words
from findcli.datasets.decisions import quoted
from findcli.datasets.overrides import Overrides
from findcli.datasets.unknown_tables import UnknownTable
from findcli.workspace.settings import SLOTS

UNIT = ("unit", "each", "per", "einzelpreis", "stueckpreis", "unitaire", "unitario", "unitaria", "piece")
FLAGS = ("1", "true", "t", "yes", "y", "ja", "j", "oui", "si", "sí", "sim")
NUMBERS = ("0", "1", "-1", "0.0", "1.0")
CURRENCIES = {
    "EUR": "euros", "USD": "dollars", "GBP": "pounds", "CHF": "francs", "JPY": "yen", "CNY": "yuan", "INR": "rupees",
    "CAD": "Canadian dollars", "AUD": "Australian dollars", "NZD": "New Zealand dollars", "SEK": "kronor",
    "NOK": "kroner", "DKK": "kroner", "PLN": "zloty", "CZK": "koruny", "HUF": "forints", "BRL": "reais",
    "MXN": "pesos", "RUB": "roubles", "TRY": "lira", "KRW": "won", "ZAR": "rand", "SGD": "Singapore dollars",
    "HKD": "Hong Kong dollars", "ILS": "shekels", "RON": "lei", "THB": "baht", "UAH": "hryvnias", "IDR": "rupiah",
    "AED": "dirhams",
}  # fmt: skip
SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₩": "KRW", "zł": "PLN", "R$": "BRL"}
_MONEY = re.compile(r"R\$|[€£¥₹₽₩$]|zł|\b[A-Z]{3}\b")


def describe_amounts(table: UnknownTable, overrides: Overrides) -> list[str]:
    """Name the columns of the amount and of returns in a table's source.

    Returns:
        The columns that are read as numbers.
    """
    source = table.source
    taken = {value for value in source.values() if isinstance(value, str)}
    free = [n for n in table.columns if n not in taken and (n not in table.times or table.times[n] == "digits")]
    pieces = [name for name in free if columns.is_quantity(table.sample[name])]
    quantity = max(pieces, key=lambda name: table.sample[name].n_unique(), default=None)
    declared = overrides.amount_columns(table.sample.columns)
    _choose_amount(table, overrides, free, quantity)
    if quantity is not None and quantity not in declared:
        source["quantity"] = quantity
        if "price" not in source:
            table.why.append(f"quantity = {quantity!r}: a number whose name says so")
    _find_sign(table)
    _find_returns(table)
    chosen = [*declared, source.get("amount") if not declared else None, source.get("quantity"), source.get("price")]
    return list(dict.fromkeys(str(name).removeprefix("-").strip('"') for name in chosen if name is not None))


def _choose_amount(table: UnknownTable, overrides: Overrides, free: list[str], quantity: str | None) -> None:
    """Name the amount as declared, or the total, or quantity times price, or the price alone."""
    source = table.source
    price, total = columns.best_price(table.sample, free), columns.best_total(table.sample, free)
    if overrides.amount_columns(table.sample.columns):
        source["amount"] = overrides.amount
        table.why.append(f"amount = {overrides.amount!r}: as you say")
    elif total is not None:
        source["amount"] = total
        table.why.append(f"amount = {total!r}: a number whose name says so")
    elif price is not None and quantity is not None and _is_of_a_piece(table, price, quantity):
        source |= {"quantity": quantity, "price": price}
        table.why.append(f"amount = {quantity!r} times {price!r}: no column holds the total")
        if not words.names(price, UNIT):
            table.remark(
                "price", f"amount = {quoted(price)}  # in place of price, if it is that of all pieces together"
            )
    elif price is not None:
        source["amount"] = price
        table.why.append(f"amount = {price!r}: a number whose name says so")
        if quantity is not None:
            table.unsure.append(f"{price!r} grows with {quantity!r}: it is taken for the price of all pieces together")
            table.remark("amount", f"amount = {_product(quantity, price)}  # if it is the price of one piece")
    elif unnamed := _unnamed_amount(table, free):
        source["amount"] = unnamed
        table.why.append(f"amount = {unnamed!r}: the one column of decimals")
        table.unsure.append(f"nothing in the name {unnamed!r} says that it is an amount")


def _is_of_a_piece(table: UnknownTable, price: str, quantity: str) -> bool:
    """Whether a price is that of one piece: it does not grow with their number."""
    both = table.sample.select(price, quantity)
    if words.names(price, UNIT) or not all(kind.is_numeric() for kind in both.dtypes):
        return True
    by_number = both.filter(pl.col(quantity) >= 1).group_by(quantity).agg(pl.col(price).median(), rows=pl.len())
    one = by_number.filter(pl.col(quantity) == 1)
    more = by_number.filter(pl.col(quantity) > 1).sort("rows", descending=True).head(1)
    if one.is_empty() or more.is_empty() or not one[price][0]:
        return True
    return bool(more[price][0] / one[price][0] < (1 + more[quantity][0]) / 2)


def _product(quantity: str, price: str) -> str:
    parts = [name if name.isidentifier() else repr(name) for name in (quantity, price)]
    return quoted(" * ".join(parts))


def _unnamed_amount(table: UnknownTable, free: list[str]) -> str | None:
    """The one column of decimals whose name says nothing, in a table without names."""
    if not any(not dialect.header for dialect in table.table.dialects):
        return None
    decimals = [name for name in free if table.sample[name].dtype.is_float()]
    return decimals[0] if len(decimals) == 1 else None


def _find_sign(table: UnknownTable) -> None:
    """Take money that leaves an account, which a bank writes with a minus, as spent."""
    name = table.source.get("amount")
    if name not in table.sample.columns or "price" in table.source:
        return
    text = nulls.data(table.table, table.form, name)
    minus = text.str.contains(r"^\s*[^\d\s]{0,4}\s*[-\x{2212}]|^\(.*\)$|[-\x{2212}]\s*$")
    counts = table.table.frame.select(minus=minus.sum(), all=text.is_not_null().sum()).collect(engine="streaming")
    if counts["minus"].item() > 0.5 * counts["all"].item():
        turned = f"-{name}" if name.isidentifier() else f'-"{name}"'
        table.source["amount"] = turned
        table.unsure.append(
            f"most of {name!r} is negative, as money spent is in a bank's list: the sign is turned round"
        )
        table.remark("amount", f"amount = {quoted(name)}  # as it stands: what is negative is a return")


def _find_returns(table: UnknownTable) -> None:
    """Find the column that marks returns: a flag, a status in words, or invoices that begin with C."""
    used = {value for key, value in table.source.items() if isinstance(value, str) and key not in SLOTS}
    for name in [name for name in table.columns if name not in used]:
        if why := _marks_returns(table, name):
            table.source["returned"] = name
            table.why.append(f"returned = {name!r}: {why}")
            return


def _marks_returns(table: UnknownTable, name: str) -> str | None:
    flag = bool(words.names(name, words.RETURN_WORDS))
    invoice = bool(words.names(name, words.INVOICE_WORDS))
    words_of_status = table.source.get("status") == name or words.names(name, words.SLOT_WORDS["status"]) == 2
    if not (flag or invoice or words_of_status) or isinstance(table.table.schema[name], pl.List | pl.Struct):
        return None
    values = nulls.words(table.table, table.form, name).str.strip_chars().str.to_lowercase()
    if invoice and not flag and (cancelled := _cancelled_invoices(table, values)):
        return cancelled
    if table.distinct[name] > 50:
        return None
    counts = table.table.frame.group_by(values.alias("x")).len().collect(engine="streaming")
    marks = MARKS if flag else [mark for mark in MARKS if mark not in FLAGS]
    marked = sorted(value for value in counts["x"].drop_nulls() if value in marks)
    rows = int(counts.filter(pl.col("x").is_in(marked))["len"].sum())
    return f"it marks returns by {', '.join(map(repr, marked))}" if 0 < rows < 0.5 * table.rows else None


def _cancelled_invoices(table: UnknownTable, values: pl.Expr) -> str | None:
    cancelled, plain = values.str.contains(r"^c\d+$"), values.str.contains(r"^\d+$")
    counts = table.table.frame.select(c=cancelled.sum(), n=plain.sum()).collect(engine="streaming").row(0)
    return f"{counts[0]:,} of its numbers begin with C, as cancellations do" if 0 < counts[0] < counts[1] else None


def find_currency(tables: list[UnknownTable]) -> tuple[str | None, str]:
    """The word for the money of the sources' amounts, and from what it is told; None where nothing tells.

    Args:
        tables: the tables that are sources.
    """
    codes: dict[str, str] = {}
    for table in tables:
        for name in [name for name in table.columns if words.names(name, words.CURRENCY_WORDS)]:
            values = table.sample[name].drop_nulls().unique().to_list()
            codes |= {_code(str(value)): f"{name!r} of {table.path}" for value in values if _code(str(value))}
        for key in ("amount", "price"):
            codes |= _in_values(table, str(table.source.get(key, "")).removeprefix("-").strip('"'))
    if len(codes) > 1:
        return (
            None,
            f"amounts are in several currencies ({', '.join(sorted(codes))}), and they are summed as they stand",
        )
    for code, where in codes.items():
        return CURRENCIES.get(code, code), f"told by {where}"
    return None, ""


def _in_values(table: UnknownTable, name: str) -> dict[str, str]:
    """The currencies beside a column's amounts, or in its name."""
    if name not in table.table.schema:
        return {}
    parts = [part.upper() for part in words.words(name)]
    told = {code: f"the name {name!r}" for code in CURRENCIES if code in parts}
    if table.table.schema[name] == pl.String:
        values = table.table.frame.select(pl.col(name).alias("x")).head(1000).collect()["x"].drop_nulls()
        signs = {match[0] for value in values if (match := _MONEY.search(value))}
        told |= {_code(sign): f"{sign!r} in {name!r}" for sign in signs if _code(sign) in CURRENCIES}
    return told


def _code(value: str) -> str:
    plain = value.strip()
    if plain in SIGNS:
        return SIGNS[plain]
    return plain.upper() if re.fullmatch(r"[A-Za-z]{3}", plain) else ""
