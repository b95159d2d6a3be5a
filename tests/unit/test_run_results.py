"""What a command prints at the end of a run."""

from pathlib import Path

import pytest

from wrn.cli.run_results import print_metrics, print_trained
from wrn.training import Trained
from wrn.training.main_metric import MainMetric

HERE = Path('/data')
METRIC = MainMetric('accuracy/top1', 97.5, 98.25)


def trained(last='epoch_3.pth', best=None, metric=METRIC):
    paths = [name and HERE / 'a run' / name for name in (last, best)]
    return Trained(HERE / 'a run', *paths, metric, 40, HERE / 'x.py', HERE / 'x.log')


@pytest.mark.parametrize(
    ('done', 'expected'),
    [
        (
            trained(best='best.pth'),
            "best checkpoint: /data/a run/best.pth (accuracy 98.2 %)\n"
            "test it with: wrn test my.py '/data/a run/best.pth'\n",
        ),
        (
            trained(),
            "last checkpoint: /data/a run/epoch_3.pth (accuracy 97.5 %)\n"
            "the best, 98.2 %, was not kept; "
            "--cfg-options default_hooks.checkpoint.save_best=accuracy/top1 keeps it\n"
            "test it with: wrn test my.py '/data/a run/epoch_3.pth'\n",
        ),
        (
            trained(metric=MainMetric('accuracy/top1', 98.25, 98.25)),
            "last checkpoint: /data/a run/epoch_3.pth (accuracy 98.2 %)\n"
            "test it with: wrn test my.py '/data/a run/epoch_3.pth'\n",
        ),
        (
            trained(metric=MainMetric('nll', 0.25, None)),
            "last checkpoint: /data/a run/epoch_3.pth (nll 0.25)\n"
            "test it with: wrn test my.py '/data/a run/epoch_3.pth'\n",
        ),
        (
            trained(metric=None),
            "last checkpoint: /data/a run/epoch_3.pth\n"
            "test it with: wrn test my.py '/data/a run/epoch_3.pth'\n",
        ),
        (trained(last=None), 'no checkpoint was written\n'),
    ],
)  # fmt: skip
def test_the_checkpoint_and_the_next_command(capsys, done, expected):
    print_trained(done, 'my.py')
    assert capsys.readouterr().out == expected


def test_paths_in_the_current_folder_are_short(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = Trained(tmp_path, tmp_path / 'run/a.pth', None, None, 0, tmp_path / 'x.py', tmp_path)
    print_trained(done, done.config)
    assert capsys.readouterr().out == (
        'last checkpoint: run/a.pth\ntest it with: wrn test x.py run/a.pth\n'
    )


def test_metrics_that_are_numbers_or_lists(capsys):
    print_metrics({'accuracy/top1': 97.5, 'nll': 0.25, 'f1_classwise': [98.123456, 100.0]})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ['accuracy/top1', '97.50', '%'],
        ['nll', '0.25'],
        ['f1_classwise', '98.12', '100'],
    ]
