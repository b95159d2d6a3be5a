"""A fine-tuning run publishes its weights before it draws the report, and resumes from there."""

from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from small_run import write_classes, write_config

import wrn
from wrn.training.evaluation import REPORT_FILES
from wrn_base.errors import WrnError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('WRN_HOME', str(tmp_path / 'home'))
    for split in ('train', 'val'):
        write_classes(f'data/{split}', ['ape', 'bee', 'cat'], 2)
    write_config('small.py')
    torch.save(dict(state_dict=wrn.get_model('small.py').state_dict()), 'w.pth')


def finetune(head_only, **options):
    options |= dict(head_only=True) if head_only else dict(epochs=1)
    return wrn.finetune('data', 'small.py', 'w.pth', work_dir='x', **options)


@pytest.mark.parametrize('error', [KeyboardInterrupt(), WrnError('x/report: cannot be written')])
@pytest.mark.parametrize('head_only', [False, True])
def test_a_run_that_ends_in_its_report_has_weights_and_resumes(monkeypatch, head_only, error):
    with monkeypatch.context() as patch:
        patch.setattr('wrn.jobs.finetune.write_report', Mock(side_effect=error))
        with pytest.raises(type(error)):
            finetune(head_only)
    (weights,) = Path('x').glob('*.pth')
    again = finetune(head_only, **({} if head_only else dict(resume='auto')))
    assert again.report is not None  # it was tested again
    assert (again.weights, [*Path('x').glob('*.pth')]) == (weights, [weights])
    assert {path.name for path in Path('x/report').iterdir()} == {*REPORT_FILES}
    assert not [*Path('x/run').glob('*.pth')]
    assert finetune(head_only, resume='auto').report is None  # it is complete


def test_a_head_that_ended_in_its_report_is_not_resumed_with_other_options(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr('wrn.jobs.finetune.write_report', Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            finetune(True)
    with pytest.raises(WrnError, match='the run to resume had different --balance'):
        finetune(True, balance=True)
    assert finetune(True, balance=True, overwrite=True).report is not None


@pytest.mark.parametrize('head_only', [False, True])
def test_weights_are_published_if_nothing_can_be_drawn(monkeypatch, head_only):
    for name in ('report.album.draw_sample', 'report.plots.draw_curves', 'report.page.render_page'):
        monkeypatch.setattr(f'wrn.{name}', Mock(side_effect=RuntimeError('no ink')))
    for name in ('training.finetune.make_curves', 'head_only.head_results.make_trial_curves'):
        monkeypatch.setattr(f'wrn.{name}', Mock(side_effect=RuntimeError('no ink')))
    done = finetune(head_only)
    assert done.weights.exists()
    assert (done.folder / 'report.json').exists()
