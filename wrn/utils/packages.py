"""Optional packages."""

import importlib.util

from wrn_base.errors import WrnError


def missing_packages(*modules: str, extra: str | None = None) -> str | None:
    """Return which packages are missing, and how to install them.

    Args:
        *modules: The names of modules. Without an extra, the packages have the same names.
        extra: The extra of this package that installs them. Defaults to None.

    Returns:
        The missing packages and the command that installs them. None if all are installed.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if not missing:
        return None
    verb = 'is' if len(missing) == 1 else 'are'
    wanted = f"'mmpretrain-wrn[{extra}]'" if extra else ' '.join(missing)
    return f'{" and ".join(missing)} {verb} not installed; pip install {wanted}'


def require_extra(user: str, extra: str, *modules: str) -> None:
    """Check that the packages of an extra are installed.

    Args:
        user: What needs them, for the message, such as an option.
        extra: The name of the extra.
        *modules: The names of modules of its packages.

    Raises:
        WrnError: If one is missing.
    """
    if missing := missing_packages(*modules, extra=extra):
        raise WrnError(f'{user}: {missing}')
