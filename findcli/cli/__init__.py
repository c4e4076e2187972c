"""The command line: each command is parsed, calls one function below, and prints; one file a command.

In: words, options and the TOML laid over them. Out: results on stdout, progress and errors on stderr, an exit code.
Nothing heavy is imported before a command runs, and only this room parses and prints.
"""
