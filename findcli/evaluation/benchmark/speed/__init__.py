"""How fast findcli is, each row beside a counterpart that is measured in the same run."""
