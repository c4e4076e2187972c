"""Who may ask, under which name, and how much he may send, before the application sees anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.audiences.serve.guard import MOST, Guard

HOST = (b"host", b"localhost:8321")
TOKEN = "correcthorsebattery"


class Asked:
    """An application that remembers what reached it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002
        message = await receive()
        assert not message["more_body"]
        self.bodies.append(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def ask(
    *headers: tuple[bytes, bytes],
    chunks: Sequence[bytes] = (b"",),
    token: str | None = None,
    path: str = "/",
    query: bytes = b"",
    method: str = "POST",
) -> tuple[int, dict[bytes, bytes], Asked, int]:
    """Status and headers of the answer, the application, and how many chunks were read."""
    app, sent, waiting = Asked(), [], list(chunks)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": list(headers)}
    asyncio.run(Guard(app, hosts=["localhost", "[::1]"], token=token)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), app, len(chunks) - len(waiting)


def test_a_body_that_is_announced_too_large_is_refused_unread() -> None:
    status, _, app, read = ask(HOST, (b"content-length", str(MOST + 1).encode()), chunks=[b"x" * (MOST + 1)])
    assert (status, app.bodies, read) == (413, [], 0)


def test_a_body_that_grows_too_large_is_refused_when_it_does() -> None:
    chunks = [b"x" * 1024] * 1000
    status, headers, app, read = ask(HOST, (b"transfer-encoding", b"chunked"), chunks=chunks)
    assert (status, app.bodies, read) == (413, [], MOST // 1024 + 1)
    assert headers[b"connection"] == b"close"


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=9))
def test_a_body_within_the_limit_arrives_whole(chunks: list[bytes]) -> None:
    status, _, app, _ = ask(HOST, (b"transfer-encoding", b"chunked"), chunks=chunks)
    assert (status, app.bodies) == (200, [b"".join(chunks)])


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"", "\u0663".encode("utf-8"), b"99999999999999999999"])
def test_a_length_that_is_none_is_refused(length: bytes) -> None:
    assert ask(HOST, (b"content-length", length))[0] == 413


@pytest.mark.parametrize(
    "hosts",
    [[], [b"evil.example"], [b"localhost.evil.example"], [b"localhost", b"localhost"], [b"evil.example:8321"], [b""]],
)
def test_a_name_that_is_not_the_servers_is_refused(hosts: list[bytes]) -> None:
    status, _, app, _ = ask(*((b"host", host) for host in hosts))
    assert (status, app.bodies) == (421, [])


@pytest.mark.parametrize("host", [b"localhost", b"LOCALHOST:1", b"[::1]:8321"])
def test_the_servers_names_are_answered_at_any_port(host: bytes) -> None:
    assert ask((b"host", host))[0] == 200


def test_another_site_may_not_ask() -> None:
    assert ask(HOST, (b"origin", b"https://evil.example"))[0] == 403
    assert ask(HOST, (b"origin", b"null"))[0] == 403
    assert ask(HOST, (b"origin", b"http://localhost:8321"))[0] == 200


def test_what_changes_things_elsewhere_is_no_method_here() -> None:
    assert ask(HOST, method="DELETE")[0] == 405


def test_without_the_token_nothing_is_answered() -> None:
    assert ask(HOST, token=TOKEN)[0] == 401
    assert ask(HOST, (b"authorization", b"Bearer wrong"), token=TOKEN)[0] == 401
    assert ask(HOST, (b"cookie", b"findcli_token=wrong"), token=TOKEN)[0] == 401
    assert ask(HOST, token=TOKEN, query=b"token=wrong")[0] == 401
    assert ask(HOST, token=TOKEN, path="/api/audience", query=f"token={TOKEN}".encode())[0] == 401


def test_a_token_in_the_address_becomes_a_cookie() -> None:
    status, headers, app, _ = ask(HOST, token=TOKEN, query=f"token={TOKEN}".encode(), method="GET")
    assert (status, headers[b"location"], app.bodies) == (303, b"/", [])
    cookie = headers[b"set-cookie"].split(b";")[0]
    assert b"HttpOnly" in headers[b"set-cookie"]
    assert ask(HOST, (b"cookie", cookie), token=TOKEN)[0] == 200
    assert ask(HOST, (b"authorization", f"Bearer {TOKEN}".encode()), token=TOKEN)[0] == 200


@pytest.mark.parametrize("arguments", [{}, {"token": TOKEN}, {"method": "PUT"}])
def test_every_answer_carries_the_policy(arguments: dict[str, Any]) -> None:
    _, headers, _, _ = ask(HOST, **arguments)
    assert b"default-src 'none'" in headers[b"content-security-policy"]
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"cache-control"] == b"no-store"


def test_no_socket_is_opened() -> None:
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Guard(Asked(), hosts=["localhost"])({"type": "websocket", "headers": [HOST]}, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
