"""Installed packages, as folders of metadata in a folder of their own."""

import sys

import pytest


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install packages into an empty site folder, which replaces the real one."""
    site = tmp_path / 'site'
    site.mkdir()
    monkeypatch.setattr(sys, 'path', [str(site)])

    def install(name, version, modules, requires=(), extras=(), python=None):
        info = site / f'{name.replace("-", "_")}-{version}.dist-info'
        info.mkdir()
        lines = [f'Name: {name}', f'Version: {version}']
        lines += [f'Requires-Dist: {requirement}' for requirement in requires]
        lines += [f'Provides-Extra: {extra}' for extra in extras]
        lines += [f'Requires-Python: {python}'] if python else []
        (info / 'METADATA').write_text('\n'.join(['Metadata-Version: 2.1', *lines, '']))
        record = [f'{module}/__init__.py,,' for module in modules]
        (info / 'RECORD').write_text('\n'.join([*record, f'{info.name}/METADATA,,', '']))

    return install
