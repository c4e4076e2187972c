"""The demo world: bills, page clicks, mini-program visits, searches and a profile table, simulated."""

from findcli.datasets.demo.simulation import SCENARIOS, create

__all__ = ["SCENARIOS", "create"]
