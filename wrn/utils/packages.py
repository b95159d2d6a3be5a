"""Optional packages."""

import importlib.util


def missing_packages(*modules: str) -> str | None:
    """Describe which of some packages are not installed.

    Args:
        *modules: The names of the modules, which are those of their packages.

    Returns:
        The missing packages and the command that installs them. None if all are installed.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if not missing:
        return None
    verb = 'is' if len(missing) == 1 else 'are'
    return f'{" and ".join(missing)} {verb} not installed; pip install {" ".join(missing)}'
