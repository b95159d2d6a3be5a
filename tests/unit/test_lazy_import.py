"""A module is imported lazily, on first access to an attribute that was not supplied."""

import sys

import pytest

from wrn.utils.compat.lazy_import import lazy_import


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / 'late.py').write_text('value, other = 1, 2\n')
    monkeypatch.syspath_prepend(tmp_path)
    yield 'late'
    sys.modules.pop('late', None)


def test_a_supplied_attribute_needs_no_import(package):
    with lazy_import(package, value=3):
        import late

        assert late.value == 3
    assert package not in sys.modules


def test_another_attribute_imports_the_module(package):
    with lazy_import(package, value=3):
        import late

        assert late.other == 2
        assert sys.modules[package].value == 1
    assert sys.modules[package].value == 1
