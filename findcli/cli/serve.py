"""`findcli serve`: the page where a sentence is typed, and the JSON API beneath it.

Tested in tests/audiences/serve/test_command.py.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated

import typer

from findcli.cli import console, who_not
from findcli.cli.options import Device, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
FEWEST = 16  # characters of a token
Host = Annotated[str, typer.Option("--host", help="Address to listen at; one of another machine needs --token.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", envvar="FINDCLI_TOKEN", help="What every request has to bring; safer as FINDCLI_TOKEN than typed."
    ),
]
Names = Annotated[
    list[str] | None, typer.Option("--allow-host", metavar="NAME", help="Name the server goes by; may be repeated.")
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8321,
    token: Token = None,
    allow_host: Names = None,
    exclude: who_not.Exclude = None,
    purpose: who_not.Purpose = None,
    workspace: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
) -> None:
    """Show a page on this machine where a sentence is typed, the size is moved and the list is downloaded.

    A JSON API with the same answers stands beneath it: /openapi.json describes it. Nobody else's machine is answered
    unless --host and --token say so.
    """
    _refuse_strangers(host, token)
    settle_threads(threads)
    from findcli.errors import FindCLIError

    try:
        import fastapi  # noqa: F401
        import uvicorn
    except ImportError as error:
        hint = "pip install 'findcli[serve]', or from a checkout: pip install -e '.[serve]'"
        raise FindCLIError(f"findcli serve needs {error.name}, which is not installed", hint=hint) from error
    from findcli.audiences.serve.answers import Answers
    from findcli.audiences.serve.app import guarded
    from findcli.audiences.serve.listen import listening
    from findcli.workspace.folder import load_workspace

    opened = load_workspace(workspace)
    left_out = who_not.left_out(opened, purpose, exclude)
    answers = Answers(opened, who_not=left_out, device=device or "auto")
    engine = answers.warm()
    app = guarded(answers, hosts=[*LOOPBACK, _bracketed(host), *(allow_host or ())], token=token)
    with listening(host, port) as socket:
        address = f"http://{_bracketed(host)}:{socket.getsockname()[1]}/"
        console.print_line(f"{len(engine.users):,} users; open {address}  (stop with Ctrl-C)")
        settings = uvicorn.Config(
            app, access_log=False, log_level="warning", server_header=False, timeout_keep_alive=30, ws="none"
        )
        uvicorn.Server(settings).run(sockets=[socket])


def _refuse_strangers(host: str, token: str | None) -> None:
    """Refuse to listen where others can ask unless they need a token that cannot be guessed."""
    if token is not None and (len(token) < FEWEST or not token.isascii() or not token.isalnum()):
        raise typer.BadParameter(f"use at least {FEWEST} letters and digits", param_hint="--token")
    if token is None and not _is_loopback(host):
        raise typer.BadParameter(f"{host} can be reached from elsewhere: add --token", param_hint="--host")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
