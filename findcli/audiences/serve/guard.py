"""What stands before the application: who may ask, under which name, how much he may send; and what every answer says.

A page in the same browser must not be able to use the server: names that resolve to this machine (DNS rebinding) are
refused by the Host header, other pages by their Origin. A body is counted while it arrives and never kept beyond the
limit.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MOST = 64 * 1024  # bytes of a body
COOKIE = "findcli_token"
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class Guard:
    """An ASGI application around another.

    Args:
        app: the other.
        hosts: names, without a port, that a request may ask for.
        token: that a request has to bring; None: anyone who reaches the server may ask.
    """

    def __init__(self, app: App, *, hosts: Collection[str], token: str | None = None) -> None:
        self.app, self.hosts, self.token = app, frozenset(name.lower() for name in hosts), token

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = _Headers(scope["headers"])
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
        elif self.token is not None and not headers.bears(self.token):
            await self._let_in(scope, send)
        else:
            body = await _read(headers, receive)
            if body is None:
                await _answer(send, 413, f"a request may hold at most {MOST} bytes")
            else:
                await self.app(scope, _replay(body, receive), _with_headers(send))

    def _refusal(self, scope: MutableMapping[str, Any], headers: _Headers) -> tuple[int, str] | None:
        """Why a request is refused before its body is read: status and words."""
        hosts = headers.all(b"host")
        if len(hosts) != 1 or _name(hosts[0]) not in self.hosts:
            return 421, "this server does not go by that name"
        origins = headers.all(b"origin")
        if origins and any(origin not in (f"http://{hosts[0]}", f"https://{hosts[0]}") for origin in origins):
            return 403, "another site may not ask"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "only GET, HEAD and POST are answered"
        return None

    async def _let_in(self, scope: MutableMapping[str, Any], send: Send) -> None:
        """Exchange a token in the address for a cookie, so that it stands in no further address; or refuse."""
        offered = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self.token is not None and _same(offered, self.token):
            cookie = f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            await _answer(send, 303, "", (b"location", b"/"), (b"set-cookie", cookie.encode("latin-1")))
        else:
            await _answer(send, 401, "bring the token: open /?token=TOKEN", (b"www-authenticate", b"Bearer"))


class _Headers:
    """The headers of a request."""

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs

    def all(self, name: bytes) -> list[str]:
        """The values of one name."""
        return [value.decode("latin-1") for key, value in self._pairs if key.lower() == name]

    def bears(self, token: str) -> bool:
        """Whether they bring a token, as a bearer or by cookie."""
        brought = [value.removeprefix("Bearer ") for value in self.all(b"authorization")]
        for text in self.all(b"cookie"):
            try:
                cookies = SimpleCookie(text)
            except CookieError:
                continue
            brought += [cookies[COOKIE].value] if COOKIE in cookies else []
        return any(_same(each, token) for each in brought)

    @property
    def length(self) -> int:
        """Of the body, as it is announced; 0 where it is not."""
        text = (self.all(b"content-length") or ["0"])[0]
        return int(text) if text.isascii() and text.isdigit() else MOST + 1

    @property
    def has_body(self) -> bool:
        """Whether a body follows."""
        return self.length > 0 or bool(self.all(b"transfer-encoding"))


async def _read(headers: _Headers, receive: Receive) -> bytes | None:
    """The body; None if it is too large, of which no more is read than shows it."""
    if headers.length > MOST:
        return None
    body, more = b"", headers.has_body
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
        if len(body) > MOST:
            return None
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Receive a body that was read before, then what comes after it."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


def _with_headers(send: Send) -> Send:
    """Send answers with the headers that all have."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        await send(message)

    return sent


async def _answer(send: Send, status: int, text: str, *more: tuple[bytes, bytes]) -> None:
    body = text.encode()
    about = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    closing = [(b"connection", b"close")] if status == 413 else []
    await send({"type": "http.response.start", "status": status, "headers": [*about, *HEADERS, *closing, *more]})
    await send({"type": "http.response.body", "body": body})


def _name(host: str) -> str:
    """A host without its port: "[::1]:8000" is "[::1]"."""
    return (host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]).lower()


def _same(text: str, token: str) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "surrogateescape"), token.encode())
