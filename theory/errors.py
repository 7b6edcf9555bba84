"""The one error that users see."""


class UserError(ValueError):
    """Report the user's mistake in one line: the argument's name, what came, and what is wanted."""
