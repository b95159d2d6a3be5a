"""Packages that not everybody has installed."""

import importlib.util


def missing_packages(*modules: str) -> str | None:
    """Tell which packages are not installed.

    Args:
        *modules: The modules that are needed, each named as its package.

    Returns:
        Which are not there, and the command that installs them; None if all are.
    """
    absent = [module for module in modules if importlib.util.find_spec(module) is None]
    if not absent:
        return None
    verb = 'is' if len(absent) == 1 else 'are'
    return f'{" and ".join(absent)} {verb} not installed; pip install {" ".join(absent)}'
