"""Tables of any origin to a workspace: one module per dataset, each with a `create`.

In: a package's data, a simulation's seed, or files that nobody has described. Out: a folder with data and a commented
findcli.toml. Nothing is trained here.
"""
