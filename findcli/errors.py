"""The one exception a user can mend; everything else is a bug."""


class FindCLIError(Exception):
    """A problem the user can mend: what is wrong, with the value, and the next step.

    Attributes:
        message: what is wrong, naming the value.
        hint: what to do next, usually a command or a key of findcli.toml.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
