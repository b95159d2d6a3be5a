"""Explain in one line why a package cannot be imported, and how to repair that."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping

from wrn_base.errors import WrnError, one_line

_LIBRARY = re.compile(r'(lib[\w.+-]+\.so[\w.]*): cannot open shared object file')
_MODULE = re.compile(r"No module named '([\w.]+)'")
_WINDOWS = ('libGL.', 'libSM.', 'libXext.', 'libXrender.', 'libxcb.', 'libX11.', 'libgthread-')
_OF_TORCH = ('libtorch', 'libc10', 'libcu', 'libnv', 'libnccl')
_OTHER_NUMPY = ('numpy.core.multiarray', 'numpy._core.multiarray', 'numpy.dtype size', 'NumPy 1.x')
_OTHER_TORCH = ('undefined symbol', 'operator torchvision::')
DISTRIBUTIONS: Mapping[str, str] = {
    'PIL': 'pillow',
    'cv2': 'opencv-python',
    'mmcv': 'mmcv-lite',
    'sklearn': 'scikit-learn',
    'yaml': 'pyyaml',
}
"""The distributions that have another name than their module, by module."""


class BrokenImportError(WrnError, ImportError):
    """A package that cannot be imported. Code that tries an import catches :class:`ImportError`.

    Attributes:
        original: What the import raised. With ``WRN_DEBUG=1``, its traceback is printed, too.
    """

    def __init__(self, original: Exception) -> None:
        problem, cure = explain_import_error(original)
        super().__init__(f'{problem}; {cure}; `wrn doctor` finds out more')
        self.original = original


@contextlib.contextmanager
def report_import_errors() -> Iterator[None]:
    """Turn what prevents an import into a one-line error.

    Raises:
        BrokenImportError: If the block raises any exception: packages that do not fit each other
            fail in many ways.
    """
    try:
        yield
    except BrokenImportError:
        raise
    except Exception as error:
        broken, debug = BrokenImportError(error), os.environ.get('WRN_DEBUG')
        if sys.argv[:1] == ['-m'] and not debug:
            sys.exit(f'wrn: error: {broken}')  # `python -m wrn`, before its command line has begun
        raise broken from (error if debug else None)


def explain_import_error(error: BaseException) -> tuple[str, str]:
    """Explain why an import failed.

    Args:
        error: What the import raised. System libraries that are missing raise :class:`ImportError`,
            and in torch :class:`OSError`.

    Returns:
        What is wrong, and what to do.
    """
    if isinstance(error, BrokenImportError):
        return explain_import_error(error.original)
    text = str(error)
    if match := _LIBRARY.search(text):
        return f'the system library {match[1]} is missing', _library_cure(match[1])
    if match := _MODULE.search(text):
        return _explain_module(match[1])
    reason = one_line(error)
    if any(part in text for part in _OTHER_NUMPY):
        return reason, 'pip install --upgrade numpy opencv-python torch, which must fit together'
    if any(part in text for part in _OTHER_TORCH):
        return reason, 'pip install --upgrade torch torchvision, which must fit together'
    named = error.name if isinstance(error, ImportError) else None  # a NameError has one, too
    package = (named or '').partition('.')[0]
    name = DISTRIBUTIONS.get(package, package)
    return reason, f'pip install --force-reinstall {name}' if name else 'install it again'


def _library_cure(library: str) -> str:
    if library.startswith(_WINDOWS):
        return (
            'install it (Debian, Ubuntu: apt install libgl1 libglib2.0-0), or use OpenCV without '
            'windows: pip uninstall -y opencv-python && pip install opencv-python-headless'
        )
    if library.startswith(_OF_TORCH):
        return 'pip install --force-reinstall torch torchvision'
    return f'install the system package that has {library}'


def _explain_module(module: str) -> tuple[str, str]:
    package = module.partition('.')[0]
    if package == 'pkg_resources':
        return (
            'the module pkg_resources is missing, which setuptools had before version 82',
            "pip install 'setuptools<81'",
        )
    name = DISTRIBUTIONS.get(package, package.replace('_', '-'))
    if module != package:
        return f'the module {module} is missing', f'pip install --force-reinstall {name}'
    return f'the package {name} is not installed', f'pip install {name}'
