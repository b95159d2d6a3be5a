"""The curve of the loss shows what the command prints."""

import itertools

import pytest
from simulated_run import Network, build_run, use_clock

from wrn.training.evaluation.curve_charts import make_curves
from wrn.training.evaluation.curves import read_log
from wrn.training.hooks.show_progress import ShowProgressHook
from wrn_base.run_progress import RunProgress


class Recorder(RunProgress):
    """Records the loss of each epoch."""

    def __init__(self):
        self.losses = []

    def epoch(self, epoch):
        self.losses.append(epoch.loss)


def test_the_curve_of_the_loss_is_the_loss_of_each_epoch(monkeypatch, tmp_path):
    """An epoch is shorter than the window of ten steps that mmengine's log averages over."""
    forward, losses = Network.forward, itertools.count(1)

    def fall(self, inputs, data_samples, mode):
        output = forward(self, inputs, data_samples, mode)
        return dict(loss=output['loss'] / next(losses)) if mode == 'loss' else output

    monkeypatch.setattr(Network, 'forward', fall)
    use_clock(monkeypatch)
    hooks = dict(logger=dict(type='LoggerHook', interval=2, ignore_last=False))
    runner, seen = build_run(tmp_path, default_hooks=hooks), Recorder()
    runner.register_hook(ShowProgressHook(seen))
    runner.train()
    expected = [0.75 * (1 + 1 / 2 + 1 / 3) / 3, 0.75 * (1 / 4 + 1 / 5 + 1 / 6) / 3]
    assert seen.losses == pytest.approx(expected)
    log = read_log(str(tmp_path))
    chart = make_curves('run', log).charts[0]
    assert (chart.title, *chart.lines[0].x) == ('loss', 1, 2)
    assert chart.lines[0].y == pytest.approx(expected)
    # A log of mmengine's own processor has none, and its values span epochs.
    plain = [{k: v for k, v in line.items() if k != 'epoch_loss'} for line in log]
    assert make_curves('run', plain).charts[0].title == 'loss (running mean)'
