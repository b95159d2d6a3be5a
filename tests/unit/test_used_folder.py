"""Fine-tuning and training refuse the folder of another run, and files that a user has there."""

from pathlib import Path

import pytest
from mmengine.config import Config
from small_run import write_classes

from wrn.data.splitting import find_splits
from wrn.training import claim_folder, write_annotations
from wrn.training.finetune_results import find_fine_tuning, find_replaced
from wrn.training.run_files import remove_files
from wrn_base.errors import WrnError

SENTENCE = 'exists; add --overwrite to replace it, or choose another path'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with images in ``pets`` and a results folder ``out``."""
    monkeypatch.chdir(tmp_path)
    write_classes('pets', ['ape', 'bee'], 5)
    Path('out').mkdir()
    return tmp_path


def claim(seed=0, groups=None, resume=False, overwrite=False, work_dir='out'):
    """Begin a fine-tuning run, as the command does, and return its config."""
    splits = find_splits('pets', seed, groups)
    cfg = Config(dict(work_dir=work_dir, resume=resume), filename='pets.py', cfg_text='#')
    claim_folder(cfg, splits, overwrite=overwrite)
    write_annotations(cfg, splits, work_dir)
    return cfg


def refused(path, **options):
    with pytest.raises(WrnError) as raised:
        claim(**options)
    assert str(raised.value) == f'{path}: {SENTENCE}'


@pytest.mark.parametrize('name', ['train.txt', 'val.txt', 'test.txt'])
def test_annotations_of_a_user_are_not_replaced(name):
    path = Path('out', name)
    path.write_text('mine')
    for resume in (False, 'auto', False):  # without a run to resume, it is a new one
        refused(path, resume=resume)
    assert path.read_text() == 'mine'
    assert not Path('out/run').exists()
    claim(overwrite=True)
    assert path.read_text() != 'mine'


def test_the_table_of_groups_may_be_in_the_results_folder():
    rows = [f'{path.relative_to("pets")},{path.stem}\n' for path in Path('pets').glob('*/*')]
    table = Path('groups.csv')
    table.write_text(text := 'path,group\n' + ''.join(rows[::-1]))
    refused(table, groups=str(table), work_dir='.')
    assert table.read_text() == text
    claim(groups=str(table), work_dir='out')
    table.write_bytes(Path('out/groups.csv').read_bytes())
    claim(groups=str(table), work_dir='.')  # the content is the same


def test_annotations_of_a_run_that_failed_early_are_replaced():
    claim()
    before = Path('out/train.txt').read_bytes()
    claim(seed=1)
    assert Path('out/train.txt').read_bytes() != before


@pytest.mark.parametrize('name', ['epoch_1.pth', 'best_accuracy_top1_epoch_3.pth', 'stopped.pth'])
def test_fine_tuning_in_the_folder_of_a_training_run(name):
    path = Path('out', name)
    path.touch()
    for resume in (False, 'auto'):
        refused(path, resume=resume)
    assert find_replaced(claim(overwrite=True)) == [path]


def test_fine_tuning_in_the_run_folder_of_another():
    claim()
    refused('out/run', work_dir='out/run')


def train(work_dir, resume=False, overwrite=False):
    """Find the fine-tuning run that ``wrn train`` would write to."""
    cfg = Config(dict(work_dir=work_dir, resume=resume))
    return find_fine_tuning(cfg, overwrite)


def test_training_in_the_results_folder_of_fine_tuning():
    run = Path(claim().work_dir)
    (run / 'pets.py').touch()
    with pytest.raises(WrnError, match=f'^out/run: {SENTENCE}$'):  # it may still be resumed
        train('out')
    written = [Path('out/pets-0123abcd.pth'), Path('out/report/report.json'), run / 'epoch_1.pth']
    others = [Path('out/cats-0123abcd.pth'), Path('out/report/thesis.tex'), run / 'model.pth']
    Path('out/report').mkdir()
    for path in (*written, *others):
        path.touch()
    for resume in (False, 'auto'):
        with pytest.raises(WrnError, match=f'^{written[0]}: {SENTENCE}$'):
            train('out', resume)
    remove_files(train('out', overwrite=True))
    assert [path.exists() for path in (*written, *others)] == [False] * 3 + [True] * 3
    assert train('out') == []


def test_training_in_the_run_folder_of_fine_tuning():
    run = claim().work_dir
    for resume in (False, 'auto'):
        with pytest.raises(WrnError, match=f'^out/run: {SENTENCE}$'):
            train(run, resume)
    Path(run, 'epoch_1.pth').touch()
    train(run, resume='auto')  # an unfinished run is resumed, as ever
    remove_files(train(run, overwrite=True))
    assert Path('out/train.txt').exists()


def test_a_training_run_may_be_in_a_folder_named_run():
    Path('out/run').mkdir()
    for name in ('out/train.txt', 'out/run/.started', 'out/run/epoch_1.pth', 'out/run/small.py'):
        Path(name).touch()
    assert train('out') == train('out/run') == []


def test_the_command_refuses(fails):
    claim()
    for work_dir in ('out', 'out/run'):
        error = fails('train', 'wide-resnet16-2_1xb64_digits', '--work-dir', work_dir)
        assert f'error: out/run: {SENTENCE}' in error
