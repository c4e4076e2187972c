"""How small an audience may be that leaves the workspace.

Of a small group single people can be recognised, and advertising platforms refuse it (Meta asks for 100, LinkedIn 300,
TikTok 1,000). So a file or a saved audience of fewer than 100 users is warned of, and one of fewer than was asked for
is not written.

Tested in tests/audiences/eligible/test_who.py.
"""

from __future__ import annotations

from findcli.errors import FindCLIError

SMALLEST = 100


def require_size(users: int, least: int | None = None, *, demand: str = "") -> str | None:
    """Refuse an audience that is smaller than was asked for.

    Args:
        users: how many users would be handed on, without those who are held out.
        least: how many are asked for; default: none, and fewer than 100 are warned of.
        demand: the demand, for the message.

    Returns:
        A warning; None if all is well.

    Raises:
        FindCLIError: the audience is smaller than was asked for.
    """
    smallest = SMALLEST if least is None else least
    if users >= smallest:
        return None
    what = f'the audience "{demand}"' if demand else "the audience"
    few = f"{what} has {users:,} users, fewer than {smallest:,}"
    if least is None:
        return f"{few}: in so small a group people can be recognised, and ad platforms refuse it"
    raise FindCLIError(few, hint=f"select more users, or allow fewer with --min-size {users}; nothing was written")
