"""The option --size of the command lines; light, because --help imports it."""

import argparse


class Size(argparse.Action):
    """Take one number of pixels, or height and width."""

    def __call__(self, parser, namespace, values, option=None):
        """Keep an integer, or a pair."""
        if len(values) > 2:
            parser.error(f"{option}: got {len(values)} numbers, want one, or height and width")
        setattr(namespace, self.dest, values[0] if len(values) == 1 else tuple(values))
