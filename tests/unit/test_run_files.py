"""A run deletes the files that a run writes, and no others."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import CheckpointHook

from wrn.training.evaluation import REPORT_FILES
from wrn.training.finetune_folder import find_best, remove_checkpoints
from wrn.training.finetune_results import find_replaced, find_results
from wrn.training.hooks.earlier_run import EarlierRunHook
from wrn.training.run_files import find_checkpoints, find_last, remove_files
from wrn_base.errors import WrnError

WRITTEN = [
    'best_accuracy_top1_epoch_3.pth', 'best_loss_iter_10.pth', 'epoch_1.pth', 'epoch_12.pth',
    'epoch_3-0123abcd.pth', 'iter_500.pth', 'last_checkpoint', 'stopped.pth',
]  # fmt: skip
OTHERS = [
    'best_model.pth', 'model.pth', 'epoch_final.pth', 'iter_1.pth.bak', 'my_epoch_1.pth',
    'stopped.pth.old', 'resnet50-0676ba61.pth',
]  # fmt: skip


def fill(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text('x')


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


def make_config(folder, **hook):
    hooks = dict(checkpoint=dict(type='CheckpointHook', **hook))
    content = dict(work_dir=str(folder / 'run'), val_cfg={}, default_hooks=hooks)
    return Config(content, filename='pets.py', cfg_text='#')


def test_checkpoints_are_known_by_the_names_that_hooks_write(tmp_path):
    fill(tmp_path, *WRITTEN, *OTHERS)
    (tmp_path / 'epoch_7.pth').mkdir()
    assert [path.name for path in find_checkpoints(tmp_path, Config())] == WRITTEN
    assert find_checkpoints(tmp_path / 'none', Config()) == []


@pytest.mark.parametrize('template', ['step.{}.pth', 'at_{:04d}', 'epoch_{}.pth'])
def test_checkpoints_with_a_template_of_the_config(tmp_path, template):
    hook = CheckpointHook(filename_tmpl=template)
    names = [
        hook.filename_tmpl.format(7),
        f'best_top1_{hook.filename_tmpl.format(7)}',
        'iter_1.pth',
    ]
    fill(tmp_path, *names, 'stepx7.pth', 'at_x')
    found = find_checkpoints(tmp_path, make_config(tmp_path, filename_tmpl=template))
    assert {path.name for path in found} == {*names}


def test_the_files_of_a_user_stay_when_a_fine_tuning_is_replaced(tmp_path):
    cfg = make_config(tmp_path)
    fill(tmp_path / 'report', *REPORT_FILES, 'thesis.tex')
    fill(tmp_path / 'run', *WRITTEN, *OTHERS)
    fill(tmp_path, 'pets-0123abcd.pth', 'pets-old_2024.pth', 'cats-0123abcd.pth')
    earlier = find_replaced(cfg)
    assert earlier[0].name == 'pets-0123abcd.pth'
    EarlierRunHook(earlier).before_train_iter(None)
    assert list_names(tmp_path) == ['cats-0123abcd.pth', 'pets-old_2024.pth', 'report', 'run']
    assert list_names(tmp_path / 'report') == ['thesis.tex']
    remove_checkpoints(tmp_path / 'run', cfg)
    assert list_names(tmp_path / 'run') == sorted(OTHERS)
    assert find_replaced(cfg) == []  # so that a new run may use the folder


def test_a_report_of_a_run_alone_leaves_no_folder(tmp_path):
    fill(tmp_path / 'report', 'report.json', 'classes.csv')
    remove_files(find_results(tmp_path))
    assert not (tmp_path / 'report').exists()


def test_the_best_checkpoint_is_one_of_the_run(tmp_path):
    fill(tmp_path / 'run', 'best_accuracy_top1_epoch_3.pth', 'best_model.pth')
    assert Path(find_best(make_config(tmp_path))).name == 'best_accuracy_top1_epoch_3.pth'


def test_the_last_checkpoint_of_a_folder_that_was_moved_or_copied(tmp_path):
    cfg = make_config(tmp_path)
    fill(tmp_path / 'old', 'epoch_2.pth')
    fill(tmp_path / 'run', 'epoch_2.pth')
    cfg.val_cfg, mark = None, tmp_path / 'run' / 'last_checkpoint'
    mark.write_text(f'{tmp_path}/old/epoch_2.pth')
    assert find_best(cfg) == find_last(tmp_path / 'run') == tmp_path / 'run' / 'epoch_2.pth'
    mark.write_text(f'{tmp_path}/old/epoch_3.pth')  # such as in out_dir of the hook
    assert find_last(tmp_path / 'run') == tmp_path / 'old' / 'epoch_3.pth'
    for text in ('', None):
        mark.write_text(text) if text is not None else mark.unlink()
        with pytest.raises(WrnError, match='run: has no checkpoint to test; leave default_hooks'):
            find_best(cfg)
