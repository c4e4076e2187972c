"""The demo world: a simulator of bills, page clicks, mini-program visits, searches and a profile table with known truth."""

from findcli.datasets.demo.simulation import SCENARIOS, create

__all__ = ["SCENARIOS", "create"]
