"""The workspace's secret key: keyed hashes of user ids cannot be computed by those who lack it.

It lies in `audiences/key`, 32 random bytes in hexadecimal that their owner alone may read, made when first needed.
Who loses it can no longer tell who was forgotten, nor give users the side of an experiment that they had.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress

from findcli.errors import FindCLIError
from findcli.workspace.disk import disk_problems
from findcli.workspace.folder import Workspace

FILE, BYTES = "key", 32


def workspace_key(workspace: Workspace) -> bytes:
    """The key, 32 bytes, made when first needed.

    Raises:
        FindCLIError: the file holds something else, or cannot be written.
    """
    path = workspace.audiences / FILE
    with disk_problems(path), suppress(FileExistsError):  # another command made it just now
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            temporary = path.with_name(f".{FILE}.{secrets.token_hex(4)}")
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_hex(BYTES) + "\n")
            try:
                path.hardlink_to(temporary)  # refuses where one stands: no key is ever replaced
            finally:
                temporary.unlink()
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (ValueError, OSError) as error:
        raise FindCLIError(f"{path} cannot be read", hint="bring the file back from a backup") from error
    if len(key) != BYTES:
        raise FindCLIError(f"{path} holds {len(key)} bytes, not {BYTES}", hint="bring the file back from a backup")
    return key


def keyed_hash(key: bytes, purpose: str, name: object) -> str:
    """A hash of a name that needs the key: blake2b, 16 bytes in hexadecimal.

    Args:
        key: of the workspace.
        purpose: hashes of different purposes cannot be matched, such as "forgotten" and an experiment's name.
        name: a user id; 7 and "7" are one.
    """
    text = f"{purpose}\x00{name}"
    return hashlib.blake2b(text.encode(), key=key, digest_size=16).hexdigest()
