"""A folder with a findcli.toml: its settings, where its tables lie, and the run folders that stages hand on.

In: the workspace file and the options laid over it. Out: checked settings, paths, and run folders opened for reading or
written whole or not at all. Nothing here reads a user's table or imports torch.
"""
