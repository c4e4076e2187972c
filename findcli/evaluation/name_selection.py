"""Names with commas between them, chosen out of those there are."""

from __future__ import annotations

from collections.abc import Collection

from findcli.errors import FindCLIError


def chosen_names(wanted: str, known: Collection[str], *, what: str) -> list[str]:
    """The names that "all", "none" or names with commas between them stand for, each once and in their order.

    Args:
        wanted: what was given.
        known: the names there are.
        what: what one of them is called.

    Raises:
        FindCLIError: a name is unknown.
    """
    if wanted in ("all", "none"):
        return list(known) if wanted == "all" else []
    names = list(dict.fromkeys(name.strip() for name in wanted.split(",")))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise FindCLIError(f"there is no {what} {unknown[0]!r}", hint=f"name all, none, or some of {', '.join(known)}")
    return names
