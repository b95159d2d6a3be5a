"""The command line starts without torch, and what it declares is what there is."""

import subprocess
import sys

import pytest

import wrn
from wrn.checkpoints.formats import TARGETS
from wrn.config.config_parts import get_data_preprocessor, get_test_dataset
from wrn.deploy import engines
from wrn.deploy.export import FORMATS
from wrn.inference.features import STAGES
from wrn.results import feature_files, writers
from wrn.zoo.resolve import resolve
from wrn_base import card, model_index, options
from wrn_base.commands import convert, export, features, predict
from wrn_base.parser import HELPS, parse_args

SLOW = ('torch', 'mmpretrain', 'wrn', 'cv2', 'matplotlib')
SCRIPT = """
import sys
from wrn_base.cli import main
try:
    main(sys.argv[1:])
except SystemExit as exit:
    print(exit.code)
print(*[name for name in {slow} if name in sys.modules], sep=',')
"""


@pytest.mark.parametrize(
    ('words', 'code'),
    [
        ('', 0),
        ('--help', 0),
        ('--version', 0),
        *((f'{name} --help', 0) for name in HELPS),
        ('trian', 2),
        ('train x --epohcs 3', 2),
        ('export digits --format onxx', 2),
        ('list', None),
        ('list --all --json', None),
        ('info wide-resnet50_3rdparty_8xb32_in1k', None),
        ('info timm/wide_resnet50_2.tv_in1k', None),
    ],
)
def test_what_needs_no_torch_imports_none(words, code):
    command = [sys.executable, '-c', SCRIPT.format(slow=SLOW), *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *output, imported = done.stdout.split('\n')[:-1]
    assert imported == ''
    assert output
    if code is not None:
        assert output[-1] == str(code)
    assert done.stderr.count('\n') == (code == 2)


def test_importing_the_package_registers_everything():
    script = (
        'import wrn\nfrom mmpretrain.registry import MODELS\n'
        'print(type(MODELS.build(dict(type="WideResNetCIFAR", depth=10, widen_factor=1))).__name__)'
    )
    command = [sys.executable, '-W', 'ignore', '-c', script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == 'WideResNetCIFAR\n'


def test_declared_choices_are_those_of_the_package():
    """They are declared twice, since the originals import torch."""
    assert options.BACKENDS == engines.BACKENDS
    assert options.PRECISIONS == engines.PRECISIONS
    assert tuple(TARGETS) == convert.TARGETS
    assert tuple(FORMATS) == export.FORMATS
    assert set(export.PRECISIONS) == {name for kind in FORMATS.values() for name in kind.precisions}
    assert tuple(features.ARGUMENTS['--stages']['default']) == STAGES
    for command, suffixes in ((features, feature_files.SUFFIXES), (predict, writers.SUFFIXES)):
        assert ', '.join(suffixes) in command.ARGUMENTS['--out']['help']


@pytest.mark.parametrize(
    'words',
    [
        ['finetune', 'pets', '--groups', ''],
        ['finetune', ''],
        ['train', 'x', '--work-dir='],
        ['test', 'x', '--report='],
        ['predict', 'x', '--out', ''],
        ['train', 'x', '--cfg-options', ''],
    ],
)
def test_an_empty_value_is_a_mistake(words, capsys):
    with pytest.raises(SystemExit, match='2'):
        parse_args(words)
    assert ': is empty; leave it out, or give a value; see `wrn ' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'near'),
    [
        ('trian', 'train'),
        ('fine-tune', 'finetune'),
        ('predict x --modle y', '--model'),
        ('test x --reprot y', '--report'),
        ('convert x --to timn', 'timm'),
        ('predict x --backend open-vino', 'openvino'),
        ('export x --format ONNX', 'onnx'),
        ('--verison', '--version'),
        ('-V', '--version'),
        ('version', '--version'),
        ('hlep', '--help'),
    ],
)
def test_unknown_words_get_the_nearest(words, near, capsys):
    with pytest.raises(SystemExit, match='2'):
        parse_args(words.split())
    (line,) = capsys.readouterr().err.splitlines()
    assert f"did you mean '{near}'" in line
    assert '--help`' in line


@pytest.mark.parametrize(
    ('words', 'cure'),
    [
        ('--epochs 3 train x', '`wrn train ... --epochs`'),
        ('train --model x', 'the usage is `wrn train CONFIG [options]`'),
        ('list --datset x', 'the usage is `wrn list [PATTERN] [options]`'),
        ('train x --lr 0,01', 'must be a number, such as 0.01'),
        ('train x --epochs 1.5', 'must be a whole number, such as 5'),
        ('train x y', "'y': one argument too many"),
    ],
)
def test_wrong_order_and_wrong_numbers(words, cure, capsys):
    with pytest.raises(SystemExit, match='2'):
        parse_args(words.split())
    (line,) = capsys.readouterr().err.splitlines()
    assert cure in line


def test_help_is_a_command_too(capsys):
    for words, usage in ((['help'], 'wrn COMMAND'), (['help', 'train'], 'wrn train CONFIG')):
        with pytest.raises(SystemExit, match='0'):
            parse_args(words)
        assert capsys.readouterr().out.startswith(f'usage: {usage}')


def test_the_version(capsys):
    with pytest.raises(SystemExit, match='0'):
        parse_args(['--version'])
    assert capsys.readouterr().out == f'wrn {wrn.__version__}\n'


@pytest.mark.parametrize('name', model_index.models())
def test_the_card_of_a_name_has_the_preprocessing_of_the_model(name):
    """It reads the config as a file, without what builds a model of it."""
    config = card.read_config(model_index.find(name))
    pipeline = config.test_dataloader.dataset.pipeline
    resolved = resolve(name).get_config()
    assert pipeline == get_test_dataset(resolved).pipeline
    assert config.get('data_preprocessor') == get_data_preprocessor(resolved)
