"""Turns tables into a workspace: one module per dataset, each with a `create` that writes data and findcli.toml."""
