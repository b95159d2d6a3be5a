"""Versions are compared with the metadata of this package, and conflicts are named."""

import sys
from pathlib import Path

import pytest

from wrn_base.doctor.packages import check_conflicts, check_packages

OURS = dict(
    name='mmpretrain-wrn',
    version='9.1',
    modules=['wrn'],
    requires=[
        'torch>=2.10',
        'opencv-python>=4.11',
        'mmpretrain<1.3,>=1.2',
        'mmcv-lite<2.4,>=2.2',
        "scikit-learn>=1.3; extra == 'digits'",
        "onnxruntime>=1.22; extra == 'backends'",
        "onnxruntime>=1.22; extra == 'onnxruntime'",
        "pytest>=8; extra == 'tests'",
        "nothing>=1; python_version < '3'",
    ],
    extras=['digits', 'onnxruntime', 'backends', 'tests'],
    python='>=3.10',
)


def look(check):
    return {finding.name: finding for finding in check()}


def test_a_sound_installation(install, monkeypatch):
    monkeypatch.setattr('platform.python_version', lambda: '3.12.1')
    install(**OURS)
    install('torch', '2.14.0+cpu', ['torch'])
    install('opencv-python', '5.0.0.1', ['cv2'])
    install('mmpretrain', '1.2.0', ['mmpretrain'], ['mmcv-lite>=2', "faiss; extra == 'all'"])
    install('mmcv-lite', '2.2.0', ['mmcv'])
    install('onnxruntime', '1.30', ['onnxruntime'])
    found = look(check_packages)
    assert found['python'].value.endswith(f', {sys.executable}')
    assert found['torch'].value == '2.14.0+cpu'
    assert found['scikit-learn'].status == 'absent'
    assert found['scikit-learn'].value == 'not installed (optional: digits)'
    assert {one.status for one in found.values()} == {'ok', 'absent'}
    assert found.keys() == {
        'python', 'mmpretrain-wrn', 'torch', 'opencv-python', 'mmpretrain', 'mmcv-lite',
        'scikit-learn', 'onnxruntime',
    }  # fmt: skip
    assert not look(check_conflicts)


@pytest.mark.parametrize(
    ('version', 'system', 'cure'),
    [
        ('3.10.14', 'linux', 'upgrade to Python 3.10.15 or newer'),
        ('3.11.7', 'linux', 'upgrade to Python 3.11.10 or newer'),
        ('3.11.10', 'linux', ''),
        ('3.11.7', 'win32', ''),
        ('3.11.0rc1', 'linux', 'upgrade to Python 3.11.10 or newer'),
        ('3.11.7+', 'linux', ''),  # a build of somebody's own
    ],
)
def test_pythons_whose_forks_may_hang(install, monkeypatch, version, system, cure):
    monkeypatch.setattr('platform.python_version', lambda: version)
    monkeypatch.setattr('sys.platform', system)
    install(**OURS)
    python = look(check_packages)['python']
    assert (python.status, python.cure) == ('warning' if cure else 'ok', cure)


def test_old_and_missing_packages(install):
    install(**OURS | dict(python='>=3.99'))
    install('torch', '2.9.1', ['torch'])
    install('mmpretrain', '1.3.0', ['mmpretrain'])
    install('onnxruntime', '1.5', ['onnxruntime'])
    found = look(check_packages)
    assert found['python'].problem == 'needs >=3.99'
    for name, value, status, problem, cure in (
        ('torch', '2.9.1', 'broken', 'needs >=2.10', "pip install 'torch>=2.10'"),
        ('mmpretrain', '1.3.0', 'broken', 'needs <1.3,>=1.2', "pip install 'mmpretrain<1.3,>=1.2'"),
        ('mmcv-lite', 'not installed', 'broken', 'it is required', "pip install 'mmcv-lite<2.4,>=2.2'"),
        ('onnxruntime', '1.5', 'warning', 'needs >=1.22', "pip install 'onnxruntime>=1.22'"),
    ):  # fmt: skip
        one = found[name]
        assert (one.value, one.status, one.problem, one.cure) == (value, status, problem, cure)


def test_other_distributions_of_the_same_module(install):
    install(**OURS)
    install('torch', 'built-by-hand', ['torch'])
    install('opencv-python-headless', '4.9', ['cv2'])
    install('onedl-mmpretrain', '0.9.2', ['mmpretrain'])  # a fork, with its own numbers
    install('mmcv', '2.2.0', ['mmcv'])
    found = look(check_packages)
    assert found['torch'].status == 'ok'
    assert found['mmpretrain'].value == 'onedl-mmpretrain 0.9.2'
    assert found['mmpretrain'].status == 'ok'
    assert found['mmcv-lite'].value == 'mmcv 2.2.0'
    assert found['opencv-python'].value == 'opencv-python-headless 4.9'
    assert found['opencv-python'].problem == 'needs >=4.11'


def test_two_distributions_of_one_module(install):
    install(**OURS)
    install('opencv-python', '4.11', ['cv2'])
    install('opencv-python-headless', '4.12', ['cv2'])
    install('mmcv', '2.2.0', ['mmcv'])
    install('mmcv-lite', '2.2.0', ['mmcv'])
    opencv, mmcv = check_conflicts()
    assert opencv.name == 'opencv-python, opencv-python-headless'
    assert (opencv.value, opencv.status) == ('4.11, 4.12', 'warning')
    assert 'package cv2' in opencv.problem
    assert opencv.cure == (
        "pip uninstall -y opencv-python opencv-python-headless && pip install 'opencv-python>=4.11'"
    )
    assert mmcv.name == 'mmcv, mmcv-lite'


def test_packages_that_do_not_fit_each_other(install):
    install(**OURS)
    install('torch', '2.14', ['torch'])
    install('mmpretrain', '1.2.0', ['mmpretrain'], ['torch<2', "mmcv>=9; extra == 'mim'"])
    (found,) = check_conflicts()
    assert found.problem == 'mmpretrain needs torch<2'
    assert found.cure == 'pip install --upgrade mmpretrain torch'


@pytest.mark.parametrize('needs', [True, False])
@pytest.mark.parametrize('there', [True, False])
def test_setuptools_without_pkg_resources(install, needs, there):
    install(**OURS)
    install('setuptools', '84.0', ['setuptools'])
    site = Path(sys.path[0])
    for name in ('mmengine/utils', *(['pkg_resources'] if there else [])):
        (site / name).mkdir(parents=True)
    (site / 'mmengine' / '__init__.py').touch()
    line = 'import pkg_resources' if needs else ''
    (site / 'mmengine' / 'utils' / 'package_utils.py').write_text(line)
    if there:
        (site / 'pkg_resources' / '__init__.py').touch()
    found = look(check_conflicts)
    assert bool(found) == (needs and not there)
    if found:
        assert found['setuptools'].value == '84.0'
        assert found['setuptools'].cure == "pip install 'setuptools<81'"


def test_a_folder_that_is_not_installed(install):
    found = look(check_packages)
    assert found['mmpretrain-wrn'].status == 'broken'
    assert not look(check_conflicts)
