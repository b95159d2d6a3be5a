"""Why a package cannot be imported, and what repairs that."""

import subprocess
import sys

import pytest

from wrn_base.import_errors import explain_import_error

LIBRARY = '{}: cannot open shared object file: No such file or directory'


@pytest.mark.parametrize(
    ('error', 'problem', 'cure'),
    [
        (ImportError(LIBRARY.format('libGL.so.1')), 'libGL.so.1 is missing', 'libgl1'),
        (ImportError(LIBRARY.format('libgthread-2.0.so.0')), 'library libgthread-2.0.so.0', 'libglib2'),
        (OSError(LIBRARY.format('libcudart.so.12')), 'libcudart.so.12', 'torch torchvision'),
        (ImportError(LIBRARY.format('libfoo.so')), 'libfoo.so is', 'system package that has libfoo.so'),
        (ModuleNotFoundError("No module named 'cv2'", name='cv2'), 'opencv-python is not', 'pip install opencv-python'),
        (ModuleNotFoundError("No module named 'mmcv._ext'"), 'mmcv._ext is missing', 'mmcv-lite'),
        (ModuleNotFoundError("No module named 'pkg_resources'"), 'before version 82', 'setuptools<81'),
        (ImportError('numpy.core.multiarray failed to import'), 'multiarray', 'numpy'),
        (RuntimeError('operator torchvision::nms does not exist'), 'nms', 'torch torchvision'),
        (ImportError('cannot import name x', name='mmengine.utils'), 'cannot import name x', '--force-reinstall mmengine'),
        (SyntaxError('invalid syntax'), 'invalid syntax', 'install it again'),
        (NameError("name 'x' is not defined", name='x'), "'x' is not defined", 'install it again'),
    ],
)  # fmt: skip
def test_explanations(error, problem, cure):
    found, repair = explain_import_error(error)
    assert problem in found
    assert cure in repair
    assert '\n' not in found + repair


def test_the_real_errors_of_this_python(tmp_path):
    """The texts are those that Python and its loader raise."""
    for name in ('no_such_package', 'json.no_such_module'):
        with pytest.raises(ImportError) as caught:
            __import__(name)
        assert name.rpartition('.')[2].replace('_', '-') in explain_import_error(caught.value)[
            0
        ].replace('_', '-')
    (tmp_path / 'x.c').write_text('int x;')
    library, user = tmp_path / 'libother.so.7', tmp_path / f'user{_suffix()}'
    make = ['gcc', '-shared', '-fPIC', '-x', 'c', str(tmp_path / 'x.c')]
    if subprocess.run(
        [*make, '-o', str(library), '-Wl,-soname,libother.so.7'], check=False
    ).returncode:
        pytest.skip('no C compiler')
    subprocess.run(
        [*make, '-o', str(user), '-Wl,--no-as-needed', '-x', 'none', str(library)], check=True
    )
    library.unlink()
    script = f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import user'
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=False
    )
    text = done.stderr.splitlines()[-1]
    assert 'libother.so.7' in explain_import_error(ImportError(text))[0]


def _suffix():
    from importlib.machinery import EXTENSION_SUFFIXES

    return EXTENSION_SUFFIXES[0]
