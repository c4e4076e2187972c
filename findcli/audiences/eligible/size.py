"""How small an audience may be that leaves the workspace.

Of a small group single people can be recognised, and advertising platforms refuse it (Meta asks for 100, LinkedIn 300,
TikTok 1,000). So a file or a saved audience of fewer than 100 users is warned of, and one of fewer than was asked for,
or than 100 for a platform, is not written.

Tested in tests/audiences/eligible/test_who.py.
"""

from __future__ import annotations

from findcli.errors import FindCLIError

SMALLEST = 100


def require_size(users: int, least: int | None = None, *, demand: str = "", platform: str | None = None) -> str | None:
    """Refuse an audience that is too small to be handed on.

    Args:
        users: how many users would be handed on, without those who are held out.
        least: how many are asked for; default: 100, which a platform must have and a file should.
        demand: the demand, for the message.
        platform: the advertising platform whose file it is; None for a file of one's own.

    Returns:
        A warning; None if all is well.

    Raises:
        FindCLIError: the audience is smaller than asked for, or than a platform must have.
    """
    smallest = SMALLEST if least is None else least
    if users >= smallest:
        return None
    what = f'the audience "{demand}"' if demand else "the audience"
    few = f"{what} has {users:,} users, fewer than {smallest:,}"
    if least is None and platform is None:
        return f"{few}: in so small a group people can be recognised, and ad platforms refuse it"
    hint = f"select more users, or allow fewer with --min-size {users}; nothing was written"
    raise FindCLIError(few + (f", too few for {platform}" if platform else ""), hint=hint)
