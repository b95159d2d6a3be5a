"""The throughput that the bar of a command with images shows."""

import pytest

from wrn.cli.progress import ImageProgress


@pytest.mark.parametrize('earlier', [0, 5])
def test_the_time_until_the_first_image_counts(monkeypatch, earlier):
    """Threads decode 20 images in 4 s, and the results come all at once."""
    now = [100.0]
    bar = ImageProgress()
    monkeypatch.setattr(bar, 'get_time', lambda: now[0])
    task = bar.add_task('Checking', total=20 + earlier, completed=earlier)
    now[0] += 4
    for _ in range(19):
        bar.advance(task)
        now[0] += 1e-6
    assert bar.tasks[0].speed == pytest.approx(19 / 4, rel=1e-4)
    assert bar.tasks[0].time_remaining == 1  # in whole seconds
    bar.advance(task)
    assert bar.tasks[0].finished_speed == pytest.approx(20 / 4, rel=1e-4)
