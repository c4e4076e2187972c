"""The application: a page, and a JSON API with OpenAPI beneath it.

Nothing is read from a path that a request names, and nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from findcli import __version__
from findcli.audiences.page.render import render, source
from findcli.audiences.serve.answers import DEFAULT, Answer, Answers
from findcli.audiences.serve.guard import Guard
from findcli.errors import FindCLIError

LONGEST = 1000  # characters of a demand or a filter
MOST_USERS = 10**9
KINDS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet", "jsonl": "application/jsonl"}
Kind = Literal["csv", "parquet", "jsonl"]
Sentence = Annotated[str, Field(min_length=1, max_length=LONGEST, description="One sentence.")]
Filter = Annotated[str | None, Field(max_length=LONGEST, description="Only users whose profile passes.")]
Count = Annotated[int, Field(ge=1, le=MOST_USERS, description="At most so many of the best users.")]

Words = Annotated[str, Query(max_length=LONGEST)]
Users = Annotated[int, Query(ge=1, le=MOST_USERS)]


class Asked(BaseModel):
    """A demand, and how many users at most."""

    model_config = ConfigDict(extra="forbid")

    demand: Sentence
    users: Count = DEFAULT
    where: Filter = None


class AskedForList(Asked):
    """A demand, how many users at most, and the form of the file."""

    format: Kind = "csv"


class Number(BaseModel):
    """What a size is expected to bring; the interval, which holds 9 times in 10, is null where it is not known."""

    users: int
    responders: float
    low: float | None
    high: float | None


class Meaning(BaseModel):
    """What words of a demand were read as."""

    words: str
    meaning: str
    members: list[str]
    more: int


class Someone(BaseModel):
    """A user of the audience."""

    user: str
    rank: int
    probability: float | None
    latest: list[tuple[str, str]]


class Answered(BaseModel):
    """The answer to a demand."""

    demand: str
    as_of: str
    read: list[Meaning]
    notes: list[str]
    refused: str
    instead: list[str]
    unanswered: str
    ranked: int
    users: int
    expected: Number | None
    sizes: list[Number]
    examples: list[Someone]


class Problem(BaseModel):
    """What is wrong, and what to do."""

    error: str
    hint: str | None = None


class Here(BaseModel):
    """The workspace."""

    name: str
    users: int
    as_of: str
    findcli: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} if status == 422 else {"description": why, "content": {"text/plain": {}}}
    for status, why in {
        401: "No token.", 403: "Another site.", 413: "Too large.", 421: "Another name.", 422: ""
    }.items()
}  # fmt: skip


def guarded(answers: Answers, *, hosts: Collection[str], token: str | None = None) -> Guard:
    """The application with what stands before it; arguments as for `Guard`."""
    return Guard(application(answers), hosts=hosts, token=token)


def application(answers: Answers) -> FastAPI:
    """The application, which asks no page for its documentation: FastAPI's own loads scripts from elsewhere."""
    app = FastAPI(title="findcli", version=__version__, docs_url=None, redoc_url=None, responses=PROBLEMS)

    @app.exception_handler(FindCLIError)
    async def wrong(request: Request, error: FindCLIError) -> Response:  # noqa: ARG001
        return JSONResponse({"error": str(error), "hint": error.hint}, status_code=422)

    _add_api(app, answers)
    _add_pages(app, answers)
    return app


def _add_api(app: FastAPI, answers: Answers) -> None:
    @app.get("/api/workspace")
    def workspace() -> Here:
        """The workspace that is asked about."""
        engine = answers.engine()
        name = answers.workspace.settings.workspace.name
        return Here(name=name, users=len(engine.users), as_of=engine.as_of.isoformat(), findcli=__version__)

    @app.post("/api/audience")
    def audience(asked: Asked) -> Answered:
        """The best users for a demand: how it was read, how many, how good, and who some of them are."""
        return _answered(answers.answer(asked.demand, asked.users, asked.where))

    @app.post("/api/list", response_class=Response, responses={200: {"content": {kind: {} for kind in KINDS.values()}}})
    def listed(asked: AskedForList) -> Response:
        """The list of the best users as a file, the same as findcli target writes."""
        return _file(answers, asked.demand, asked.users, asked.where, asked.format)


def _add_pages(app: FastAPI, answers: Answers) -> None:
    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page(q: Words = "", users: Users = DEFAULT) -> Response:
        return _page("app.html", answers, q.strip(), users)

    @app.get("/answer", response_class=HTMLResponse, include_in_schema=False)
    def answer(q: Words, users: Users = DEFAULT) -> Response:
        return _page("answer.html", answers, q.strip(), users)

    @app.get("/download", include_in_schema=False)
    def download(q: Words, users: Users = DEFAULT, format: Kind = "csv") -> Response:
        return _file(answers, q.strip(), users, None, format)

    @app.get("/style.css", include_in_schema=False)
    def style() -> Response:
        return Response(source("style.css"), media_type="text/css")

    @app.get("/app.js", include_in_schema=False)
    def script() -> Response:
        return Response(source("app.js"), media_type="text/javascript")


def _page(template: str, answers: Answers, demand: str, users: int) -> Response:
    """A page, with the answer or with what is wrong with the demand."""
    context: dict[str, Any] = {
        "demand": demand, "users": users, "answer": None, "problem": None,
        "name": answers.workspace.settings.workspace.name, "plural": f"{answers.workspace.settings.workspace.subject}s",
    }  # fmt: skip
    status = 200
    if demand:
        try:
            context["answer"] = answers.answer(demand, users)
        except FindCLIError as error:
            context["problem"], status = error, 422
    return HTMLResponse(render(template, **context), status_code=status)


def _file(answers: Answers, demand: str, users: int, where: str | None, kind: Kind) -> Response:
    name = re.sub(r"[^a-z0-9]+", "-", demand.lower()).strip("-")[:60] or "audience"
    disposition = {"content-disposition": f'attachment; filename="{name}.{kind}"'}
    return Response(answers.file(demand, users, where, f".{kind}"), media_type=KINDS[kind], headers=disposition)


def _answered(answer: Answer) -> Answered:
    page = answer.page
    size = None if page.size is None else _number(page.size)
    return Answered(
        demand=page.title,
        as_of=answer.audience.as_of.isoformat(),
        read=[Meaning(words=r.words, meaning=r.meaning, members=list(r.members), more=r.more) for r in page.read],
        notes=list(page.notes),
        refused=answer.refused,
        instead=list(answer.instead),
        unanswered=page.unanswered,
        ranked=page.ranked,
        users=page.users,
        expected=size,
        sizes=[_number(each) for each in page.points],
        examples=[
            Someone(
                user=each.user,
                rank=each.rank,
                probability=each.probability,
                latest=[(time.isoformat(), text) for time, text in each.events],
            )
            for each in page.examples
        ],
    )


def _number(size: Any) -> Number:
    known = size.low == size.low
    low, high = (size.low, size.high) if known else (None, None)
    return Number(users=size.users, responders=size.responders, low=low, high=high)
