"""Optional packages."""

import importlib.util


def missing_packages(*modules: str) -> str | None:
    """Return which packages are missing, and how to install them.

    Args:
        *modules: The names of modules. The packages have the same names.

    Returns:
        The missing packages and the command that installs them. None if all are installed.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if not missing:
        return None
    verb = 'is' if len(missing) == 1 else 'are'
    return f'{" and ".join(missing)} {verb} not installed; pip install {" ".join(missing)}'
