"""Campaigns: many seeded cases of one kind, a few in every run and many with `-m campaign`.

A module says how many: `CASES` in every run, `CAMPAIGN` with the marker; its tests ask for `seed`. One case is replayed
by its seed: `python -m pytest -m campaign "tests/campaign/test_dialects.py::test_a_dialect[137]"`.
"""

from __future__ import annotations

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        marks = metafunc.config.getoption("markexpr").split()
        many = "campaign" in marks and marks[: marks.index("campaign")][-1:] != ["not"]
        metafunc.parametrize("seed", range(metafunc.module.CAMPAIGN if many else metafunc.module.CASES))
