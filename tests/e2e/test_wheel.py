"""The wheel works in a new environment, from any folder and without the checkout."""

import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.ci]


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """The wheel, built from the sdist as by pip, and the sdist."""
    folder = tmp_path_factory.mktemp('dist')
    code = (
        'import sys, os; from hatchling import build; os.chdir(sys.argv[1]);'
        'print(getattr(build, sys.argv[2])(sys.argv[3]))'
    )

    def build(source, what):
        command = [sys.executable, '-c', code, str(source), what, str(folder)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return folder / output.split()[-1]

    sdist = build(Path(__file__).parents[2], 'build_sdist')
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter='data')
    wheel = build(folder / sdist.name.removesuffix('.tar.gz'), 'build_wheel')
    return wheel, sdist


@pytest.fixture(scope='module')
def python(built, tmp_path_factory):
    """The interpreter of a new environment with the wheel and this environment's dependencies."""
    folder = tmp_path_factory.mktemp('env')
    venv.create(folder, with_pip=False)
    python = folder / 'bin' / 'python'
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([python, '-c', code], text=True).strip())
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(site)
    # Folders in a .pth file come after the environment's own packages. The editable install of
    # this package, itself a .pth file, is not followed from there.
    (site / 'dependencies.pth').write_text(sysconfig.get_path('purelib') + '\n')
    return python


def test_contents(built):
    wheel, sdist = built
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (top_level,) = (name for name in names if name.endswith('.dist-info/top_level.txt'))
        assert archive.read(top_level) == b'wrn\n'  # openmim needs it to find wrn/.mim
    assert 'wrn/.mim/model-index.yml' in names
    assert 'wrn/.mim/configs/wrn/metafile.yml' in names
    assert 'wrn/.mim/configs/_base_/default_runtime.py' in names
    assert 'wrn/.mim/tools/dist_train.sh' in names
    assert any(name.startswith('wrn/assets/') for name in names)
    assert any(name.endswith('licenses/LICENSE') for name in names)
    assert not [name for name in names if name.startswith('tests/') or '.pyc' in name]
    assert wheel.stat().st_size < 3.5e6  # of which the embedded weights take 2.6
    with tarfile.open(sdist) as archive:
        assert any(name.endswith('tests/conftest.py') for name in archive.getnames())


def test_the_page_of_an_index(built):
    """Its links lead somewhere without the checkout, and it names the Pythons that are tested."""
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith('/METADATA'))
        text = wheel.read(name).decode()
    targets = re.findall(r'\]\(([^)]+)\)', text)
    assert len(targets) > 5
    assert all(target.startswith('https://') for target in targets)
    assert re.search(r'`docs/installation.md`.* has more', text)
    assert '\nProject-URL: Paper, https://arxiv.org/abs/1605.07146\n' in text
    versions = re.findall(r'^Classifier: .* :: 3\.(\d+)$', text, re.MULTILINE)
    assert f'\nRequires-Python: <3.{int(versions[-1]) + 1},>=3.{versions[0]}\n' in text
    assert f'\nIn a checkout, with Python 3.{versions[0]} to 3.{versions[-1]}:\n' in text


def test_the_installed_package(run, python, tmp_path, checkout):
    script = """
import json, mmpretrain, wrn, wrn_base.model_index
from pathlib import Path
root = wrn_base.model_index.root()
assert root == Path(wrn.__file__).parent / '.mim', root
name = 'wide-resnet50_3rdparty_8xb32_in1k'
model = mmpretrain.get_model(name)
assert type(model.backbone) is wrn.WideResNet
assert model._config.filename.startswith(str(root))
assert len(wrn.list_models('wide-resnet*')) == len(wrn_base.model_index.models())
print(json.dumps([str(root), wrn.inference_model('wide-resnet16-2_1xb64_digits', IMAGE)['pred_class']]))
""".replace('IMAGE', repr(str(checkout / 'demo' / 'digit_7.png')))
    output = run(python, '-c', script, cwd=tmp_path).stdout
    root, digit = json.loads(output.splitlines()[-1])
    assert digit == '7'
    assert not root.startswith(str(checkout))


def test_the_commands(run, python, tmp_path, checkout):
    wrn = (python, '-m', 'wrn')
    assert 'wide-resnet16-2_1xb64_digits' in run(*wrn, 'list', cwd=tmp_path).stdout
    output = run(*wrn, 'predict', checkout / 'demo/digit_3.png', '--topk', 1, cwd=tmp_path).stdout
    assert output.split()[-2] == '3'
    config = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'
    options = ['train_cfg.max_epochs=1', 'train_dataloader.dataset.indices=128']
    run(*wrn, 'train', config, '--cfg-options', *options, cwd=tmp_path)
    assert (tmp_path / 'work_dirs' / 'wide-resnet16-2_1xb64_digits').is_dir()
    tested = run(*wrn, 'test', 'wide-resnet16-2_1xb64_digits', cwd=tmp_path).stdout
    assert ' 99.2 % (352 of 355; 95 % interval ' in tested


def test_the_installed_tools(run, python, tmp_path):
    root = run(
        python, '-c', 'from wrn_base import model_index; print(model_index.root())', cwd=tmp_path
    ).stdout.strip()
    weights = next(Path(root).parent.glob('assets/*.safetensors'))
    config = Path(root) / 'configs/wrn/wide-resnet16-2_1xb64_digits.py'
    tested = run(python, Path(root) / 'tools/test.py', config, weights, cwd=tmp_path).stdout
    assert ' 99.2 % (352 of 355; 95 % interval ' in tested


def test_a_checkout_without_an_install(run, python, tmp_path, checkout):
    """The scripts in tools/ use the checkout, whatever is installed, and from any folder."""
    script = f"""
import runpy, sys
sys.argv = ['test.py', '--help']
try:
    runpy.run_path({str(checkout / 'tools/test.py')!r}, run_name='__main__')
except SystemExit:
    print('from', sys.modules['wrn_base'].__file__)
"""
    output = run(python, '-c', script, cwd=tmp_path).stdout
    assert f'from {checkout / "wrn_base" / "__init__.py"}' in output
