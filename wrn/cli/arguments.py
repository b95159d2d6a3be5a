"""Check arguments that several commands have."""

import argparse
from typing import Any

from wrn_base.errors import check_whole


def pick(args: argparse.Namespace, options: type) -> Any:
    """Return those of the arguments that a function takes as options.

    Args:
        args: The arguments.
        options: The ``TypedDict`` that declares the options.
    """
    return {name: value for name, value in vars(args).items() if name in options.__annotations__}


def check_at_least(args: argparse.Namespace, **minimums: int) -> None:
    """Check that numbers are not too small.

    Args:
        args: The arguments. A number that is None passes.
        **minimums: The smallest value of each number, by its name.

    Raises:
        WrnError: If a number is smaller.
    """
    for name, minimum in minimums.items():
        check_whole(f'--{name.replace("_", "-")}', getattr(args, name), minimum)
