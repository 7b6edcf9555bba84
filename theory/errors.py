"""The error and the warning that are about what users hand in."""


class UserError(ValueError):
    """Report the user's mistake in one line: the argument's name, what came, and what is wanted."""


class NotOffered(UserError, AttributeError):
    """Report that a machine does not have what another one has."""


class ImageRangeWarning(UserWarning):
    """Warn of training images without a value below 0: probably in [0, 1], where [-1, 1] is wanted."""
