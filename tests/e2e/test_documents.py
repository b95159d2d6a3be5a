"""The documentation is correct: its Python runs, its files, commands and imports exist."""

import importlib
import re
import shlex
import shutil

import pytest
from documents import FENCE, blocks
from mmpretrain.datasets import ImageNet
from PIL import Image
from sklearn.datasets import load_digits

import wrn
from wrn.config.config_file import read_config

IMPORT = re.compile(r'from (wrn[\w.]*) import (\w+(?:, \w+)*)')
ATTRIBUTE = re.compile(r'(?<![\w/.])(wrn(?:\.\w+)*)\.(?!json\b)(\w+)')  # wrn.json is a file


def anchors(text):
    """Return the anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r'^#+ (.*)$', FENCE.sub('', text), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading).lower().replace(' ', '-') for heading in headings}


@pytest.fixture
def readme(checkout):
    return (checkout / 'README.md').read_text()


@pytest.fixture
def documents(checkout):
    """The paths of all documents."""
    names = ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'configs/wrn/README.md')
    return [*(checkout / name for name in names), *sorted(checkout.glob('docs/*.md'))]


def test_python_of_the_readme_runs(run, readme, checkout):
    codes = blocks(readme, 'python')
    assert codes
    run('python', '-W', 'ignore', '-c', '\n'.join(codes), cwd=checkout)


def test_ci_calls_the_readmes_first_commands(readme, checkout):
    script = (checkout / '.ci' / 'run').read_text()
    install, tests, fork = blocks(readme, 'bash')[:3]
    for command in (f'({install.strip()})', f'({tests.strip()})', *fork.splitlines()):
        assert command in script.splitlines()


def test_links_and_paths_exist(checkout, documents):
    assert len(documents) > 12
    for document in documents:
        text = document.read_text()
        for code in blocks(text, 'diff'):  # they add files, see test_contributing.py
            text = text.replace(code, '')
        for target in re.findall(r'\]\(([^):]+)\)', text):
            path, _, anchor = target.partition('#')
            linked = document.parent / path if path else document
            assert linked.exists(), (document, target)
            assert not anchor or anchor in anchors(linked.read_text()), (document, target)
        for path in re.findall(
            r'(?<![\w/.])(?:configs|tools|demo|benchmarks|wrn|tests)/[\w./-]+', text
        ):
            assert (checkout / path.rstrip('.')).exists(), (document, path)


def test_api_lists_the_names_of_the_package(checkout):
    text = (checkout / 'docs/api.md').read_text().partition('\n## Modules\n')[0]
    cells = re.findall(r'^\| (`.*?`) \|', text, re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r'`(\w+)', cell)} == {*wrn.__all__}


def test_imports_of_the_documents_are_public(checkout, documents):
    """Each name of `wrn` in README and docs/ is in `wrn.__all__` or a module in docs/api.md."""
    text = (checkout / 'docs/api.md').read_text()
    modules = dict(re.findall(r'^\| `(wrn[\w.]+)` \| (.*) \|$', text, re.MULTILINE))
    used = set()
    for document in documents:
        if document.parent.name == 'docs' or document.name == 'README.md':
            text = document.read_text()
            used |= {(module, name) for module, name in ATTRIBUTE.findall(text)}
            for module, names in IMPORT.findall(text):
                used |= {(module, name) for name in names.split(', ')}
    used = {(module, name) for module, name in used if f'{module}.{name}' not in modules}
    assert len(used) >= 8
    for module, name in used - {('wrn', '__all__')}:
        names = wrn.__all__ if module == 'wrn' else re.findall(r'`(\w+)', modules[module])
        assert name in names, f'{module}.{name} is not public'
        assert hasattr(importlib.import_module(module), name), (module, name)


def test_the_list_in_scaling_equals_that_of_the_folders(checkout, tmp_path, monkeypatch):
    pixels = Image.new('RGB', (8, 8))
    for label in range(1000):
        folder = tmp_path / f'data/imagenet/train/n{label:08}'
        folder.mkdir(parents=True)
        for number in (10, 2):
            pixels.save(folder / f'{folder.name}_{number}.JPEG')
    monkeypatch.chdir(tmp_path)
    before = ImageNet('data/imagenet', split='train')
    code, _ = blocks((checkout / 'docs/scaling.md').read_text(), 'py')
    exec(code, {})
    after = ImageNet('data/imagenet', split='train')
    assert after.ann_file.endswith('meta/train.txt')
    assert list(map(after.get_data_info, range(2000))) == [*map(before.get_data_info, range(2000))]


@pytest.mark.slow
@pytest.mark.ci
def test_commands_of_features_run(run, checkout, tmp_path):
    """All commands in docs/features.md run in their order, and the AUROC is as stated."""
    document = (checkout / 'docs/features.md').read_text()
    shutil.copytree(checkout / 'demo', tmp_path / 'demo')
    commands = [line for block in blocks(document, 'bash') for line in block.splitlines()]
    outputs = [run(*shlex.split(command), cwd=tmp_path).stdout for command in commands]
    for name in ('features.npy', 'maps.safetensors', 'features.parquet'):
        assert (tmp_path / name).exists()
    for name in ('features.npy.txt', 'maps.safetensors.txt'):
        assert (tmp_path / name).read_text() == 'demo/digit_3.png\ndemo/digit_7.png\n'
    (code,) = blocks(document, 'python')
    printed = run('python', '-W', 'ignore', '-c', code, cwd=tmp_path).stdout
    assert printed.replace('\n', ', ').strip(', ') == re.search('# (layer2 .*)', code)[1]
    claimed, measured = (
        [float(number) for number in re.search(r'AUROC of .* (.*), .* (.*)', text).groups()]
        for text in (document, outputs[-1])
    )
    assert measured == pytest.approx(claimed, abs=0.01)
    assert (tmp_path / 'anomaly_detection.png').exists()


@pytest.mark.slow
@pytest.mark.ci
def test_commands_of_explain_run(run, checkout, tmp_path):
    """All commands in docs/explain.md run, write the files that are named there, and so in Python."""
    document = (checkout / 'docs/explain.md').read_text()
    shutil.copytree(checkout / 'demo', tmp_path / 'demo')
    for block in blocks(document, 'bash'):
        for command in block.splitlines():
            run(*shlex.split(command), cwd=tmp_path)
    assert (tmp_path / 'heat/000001-digit_7-class7.png').exists()
    assert (tmp_path / 'two/000001-digit_7-sheet.png').exists()
    assert (tmp_path / 'finer/index.jsonl').exists()
    assert (tmp_path / 'drawn/000001-digit_7.png').exists()
    (code,) = blocks(document, 'python')
    printed = run('python', '-W', 'ignore', '-c', code, cwd=tmp_path).stdout
    assert printed.splitlines()[-1] == 'demo/digit_7.png 7 (4, 4) (224, 224, 3)'


def test_python_of_inference_runs(run, checkout):
    (code,) = blocks((checkout / 'docs/inference.md').read_text(), 'python')
    assert run('python', '-W', 'ignore', '-c', code, cwd=checkout).stdout == "fused ['3', '7']\n"


@pytest.mark.parametrize(
    ('name', 'printed'),
    [
        ('api', 'torch.Size([1, 10])'),
        ('detection', "['boxes', 'labels', 'scores']"),
        ('openmmlab', ''),
        ('weights', 'loads 81 tensors into WideResNetCIFAR'),
    ],
)
def test_python_of_other_documents_runs(run, checkout, tmp_path, name, printed):
    (tmp_path / 'hubconf.py').symlink_to(checkout / 'hubconf.py')
    codes = blocks((checkout / f'docs/{name}.md').read_text(), 'python')
    output = run('python', '-W', 'ignore', '-c', '\n'.join(codes), cwd=tmp_path)
    assert printed in output.stdout + output.stderr
    if name == 'openmmlab':
        assert len([*(tmp_path / 'browsed').glob('?-?.png')]) == 3


def test_weights_in_timm_and_torchvision_and_back(run, checkout, tmp_path):
    code, *_ = blocks((checkout / 'docs/clients.md').read_text(), 'python')
    printed = run('python', '-W', 'ignore', '-c', code, cwd=tmp_path).stdout
    assert printed == 'True True\n' * 2


def test_commands_of_the_readme_parse(readme):
    """The parser accepts every `wrn ...` line in a block of the README."""
    from wrn_base.parser import parse_args

    lines = [
        line.split('#')[0].split('&&')[-1].strip()
        for block in blocks(readme, 'bash')
        for line in block.splitlines()
        if 'wrn ' in line.split('#')[0]
    ]
    commands = [line for line in lines if line.startswith('wrn ')]
    assert len(commands) > 5
    for command in commands:
        parse_args(command.split()[1:])
    # tests/integration/test_training.py runs those for the digits and the user's own images.


@pytest.mark.ci
@pytest.mark.slow
def test_what_few_need_when_fine_tuning_runs(run, checkout, tmp_path):
    """Label smoothing, mixup and AdamW by `--cfg-options`, as in docs/finetuning.md."""
    digits = load_digits()
    for i in range(120):
        path = tmp_path / 'pets' / f'is {digits.target[i] % 3}' / f'{i}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[i] * (255 / 16)).astype('uint8')).save(path)
    document = (checkout / 'docs/finetuning.md').read_text()
    section = document.partition('### What few need')[2].partition('\n## ')[0]
    (block,) = blocks(section, 'bash')
    commands = block.splitlines()
    small = ('--model', 'wide-resnet16-2_1xb64_digits', '--epochs', 1, '--workers', 0)
    found = {}
    for command in commands:
        words = shlex.split(command)
        run(*words[:3], *small, '--work-dir', f'run{len(found)}', *words[3:], cwd=tmp_path)
        config = read_config(tmp_path / f'run{len(found)}' / 'run' / 'pets.py')
        found[command] = (
            config.model.head.loss.type,
            config.model.get('train_cfg', {}).get('augments', {}).get('type'),
            config.optim_wrapper.optimizer.type,
            config.optim_wrapper.optimizer.lr,
        )
    assert [*found.values()] == [
        ('LabelSmoothLoss', None, 'SGD', 0.01),
        ('CrossEntropyLoss', 'Mixup', 'SGD', 0.01),
        ('CrossEntropyLoss', None, 'AdamW', 1e-4),
    ]


def test_commands_of_the_options_parse(checkout):
    """The parser accepts every `wrn ...` line in the documents about training and weights."""
    from wrn_base.parser import parse_args

    for name in ('finetuning', 'training', 'weights', 'scripts'):
        text = (checkout / f'docs/{name}.md').read_text().replace('\\\n', '')
        lines = [line for block in blocks(text, 'bash') for line in block.splitlines()]
        commands = [line for line in lines if line.startswith('wrn ')]
        assert len(commands) > 6
        for command in commands:
            parse_args(shlex.split(re.split(r' #| > | && ', command)[0])[1:])
