"""Check the keyword arguments of a job."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from wrn_base.errors import WrnError, did_you_mean
from wrn_base.systems import find_imported_script


def check_names(function: Callable[..., Any], options: Mapping[str, Any], known: type) -> None:
    """Check the keyword arguments that a function takes as ``**options``, and where it is called.

    Args:
        function: The function.
        options: The keyword arguments.
        known: The ``TypedDict`` that declares them.

    Raises:
        TypeError: If a name is unknown.
        WrnError: If a text is empty, such as an unset variable of a script, or if a data worker is
            importing the script that calls the function.
    """
    if script := find_imported_script():
        raise WrnError(
            f'{script}: on this system a data worker imports the script that starts '
            "it; put the call below if __name__ == '__main__':, or give workers=0"
        )
    names = known.__annotations__
    for name, value in options.items():
        if name not in names:
            near = did_you_mean(name, [*signature(function).parameters, *names])
            raise TypeError(f'{function.__name__}: unknown argument {name!r}{near}')
        if value == '':
            raise WrnError(f'--{name.replace("_", "-")}: is empty; leave it out, or give a value')
