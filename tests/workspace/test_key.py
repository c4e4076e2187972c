"""The workspace's key: made once, kept, and needed for every keyed hash."""

from __future__ import annotations

import stat

import pytest

from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.key import keyed_hash, workspace_key


def test_a_key_is_made_once_and_only_its_owner_reads_it(tiny_workspace: Workspace) -> None:
    key = workspace_key(tiny_workspace)
    assert workspace_key(tiny_workspace) == key
    assert len(key) == 32
    path = tiny_workspace.audiences / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tiny_workspace.audiences.iterdir()] == ["key"]


def test_a_spoilt_key_is_an_error_and_is_not_replaced(tiny_workspace: Workspace) -> None:
    workspace_key(tiny_workspace)
    path = tiny_workspace.audiences / "key"
    for content in ("short", "ab" * 8):
        path.write_text(content)
        with pytest.raises(FindCLIError, match="key"):
            workspace_key(tiny_workspace)
        assert path.read_text() == content


def test_a_keyed_hash_depends_on_key_purpose_and_name() -> None:
    one = keyed_hash(b"a" * 32, "forgotten", 7)
    assert one == keyed_hash(b"a" * 32, "forgotten", "7")
    others = {
        keyed_hash(b"b" * 32, "forgotten", 7),
        keyed_hash(b"a" * 32, "spring", 7),
        keyed_hash(b"a" * 32, "forgotten", 8),
    }
    assert one not in others
    assert len(others) == 3
