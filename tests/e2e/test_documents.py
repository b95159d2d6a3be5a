"""The documents say what is so: their Python runs, their files and commands exist."""

import re
import shlex
import shutil

import pytest
from mmpretrain.datasets import ImageNet
from PIL import Image

FENCE = re.compile(r'^```(\w+)\n(.*?)^```', re.DOTALL | re.MULTILINE)


def blocks(text, language):
    return [code for name, code in FENCE.findall(text) if name == language]


@pytest.fixture
def readme(checkout):
    return (checkout / 'README.md').read_text()


def test_python_of_the_readme_runs(run, readme, checkout):
    codes = blocks(readme, 'python')
    assert codes
    run('python', '-W', 'ignore', '-c', '\n'.join(codes), cwd=checkout)


def test_ci_calls_the_readmes_first_commands(readme, checkout):
    script = (checkout / '.ci' / 'run').read_text()
    install, tests, fork = blocks(readme, 'bash')[:3]
    for command in (f'({install.strip()})', f'({tests.strip()})', *fork.splitlines()):
        assert command in script.splitlines()


def test_links_and_paths_exist(checkout):
    for document in (
        'README.md',
        'CONTRIBUTING.md',
        'CHANGELOG.md',
        'configs/wrn/README.md',
        'docs/weights.md',
        'docs/cifar.md',
        'docs/data.md',
        'docs/export.md',
        'docs/features.md',
        'docs/finetuning.md',
        'docs/inference.md',
        'docs/training.md',
        'docs/speed.md',
        'docs/scaling.md',
    ):
        text = (checkout / document).read_text()
        for target in re.findall(r'\]\(([^)#:]+)\)', text):
            assert ((checkout / document).parent / target).exists(), (document, target)
        for path in re.findall(
            r'(?<![\w/.])(?:configs|tools|demo|benchmarks|wrn|tests)/[\w./-]+', text
        ):
            assert (checkout / path.rstrip('.')).exists(), (document, path)


def test_the_list_that_scaling_makes_is_that_of_the_folders(checkout, tmp_path, monkeypatch):
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
def test_features_are_as_the_document_says(run, checkout, tmp_path):
    """All that it tells to run, in its order."""
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


def test_python_of_inference_runs(run, checkout):
    (code,) = blocks((checkout / 'docs/inference.md').read_text(), 'python')
    assert run('python', '-W', 'ignore', '-c', code, cwd=checkout).stdout == "fused ['3', '7']\n"


def test_commands_of_the_documents_parse(readme, capsys):
    """Every `wrn ...` line in a block is one that the parser takes."""
    from wrn.cli import parse_args

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
    # The digits' and the pictures' own commands are run in tests/integration/test_training.py.
