"""Anything to a workspace: one module a dataset, each with a `create` that writes data and findcli.toml."""
