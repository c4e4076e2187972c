"""Whatever its schema allows, and much that it does not, the API answers without failing (schemathesis)."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from findcli.audiences.serve.answers import Answers
from findcli.audiences.serve.app import application, guarded

CASES = 40  # of each mode of each operation
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
ASKED = [
    ("/api/workspace", "GET", POSITIVE),  # it takes nothing that could be wrong
    *((path, "POST", mode) for path in ("/api/audience", "/api/list") for mode in (POSITIVE, NEGATIVE)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method", "mode"), ASKED, ids=[f"{path}-{mode.value}" for path, _, mode in ASKED])
def test_no_request_makes_it_fail(answers: Answers, path: str, method: str, mode: GenerationMode) -> None:
    app = guarded(answers, hosts=["localhost", "127.0.0.1"])
    schema = schemathesis.openapi.from_dict(application(answers).openapi())
    statuses = []

    @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def each(data: Any) -> None:
        case = data.draw(schema[path][method].as_strategy(generation_mode=mode))
        answer = case.call(base_url="http://localhost", app=app)
        statuses.append(answer.status_code)
        assert answer.status_code < 500, answer.text
        assert answer.headers["content-security-policy"]

    each()
    assert statuses
    if mode is POSITIVE and method == "POST":
        assert 200 in statuses
