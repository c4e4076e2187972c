"""Render templates: autoescaped, with the style that a page carries and the policy that forbids it everything else.

Tested in tests/audiences/page/test_report.py.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **context: Any) -> str:
    """A template of this folder, filled."""
    return _environment().get_template(template).render(**context)


@cache
def source(name: str) -> str:
    """A file of the templates' folder as it stands, such as the style."""
    environment = _environment()
    return environment.loader.get_source(environment, name)[0] if environment.loader else ""


@cache
def style_digest() -> str:
    """What a content security policy calls the style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source("style.css").encode()).digest()).decode()


def percent(share: float) -> str:
    """A share as a percentage, with a digit behind the point where it is small."""
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def depth(share: float) -> str:
    """A share of the best, in words."""
    return "everyone" if share >= 1 else f"best {100 * share:.2g}%"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("findcli.audiences.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "depth": depth, "whole": lambda number: f"{number:,.0f}", "day": _day}
    environment.globals |= {"style": lambda: Markup(source("style.css")), "style_digest": style_digest}
    return environment


def _day(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d}"
