"""findcli: audiences chosen by one sentence, from a user-targeting foundation model (FIND, arXiv 2412.12468)."""

__version__ = "0.1.0"
