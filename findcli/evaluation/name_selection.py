"""A comma-separated choice of names out of those there are."""

from __future__ import annotations

from collections.abc import Collection

from findcli.errors import FindCLIError


def chosen_names(wanted: str, available: Collection[str], *, what: str) -> list[str]:
    """The names that "all", "none" or a comma-separated list stands for, each once and in their order.

    Args:
        wanted: the choice.
        available: names to choose from.
        what: what one of them is called, such as "rival".

    Raises:
        FindCLIError: a name is unknown.
    """
    if wanted in ("all", "none"):
        return list(available) if wanted == "all" else []
    names = list(dict.fromkeys(name.strip() for name in wanted.split(",")))
    unknown = [name for name in names if name not in available]
    if unknown:
        raise FindCLIError(
            f"there is no {what} {unknown[0]!r}", hint=f"name all, none, or some of {', '.join(available)}"
        )
    return names
