"""Heat maps that show nothing are reported with their number and their classes."""

import numpy as np

from wrn.cli.heat_maps import report_heat_maps
from wrn.inference.explained_images import ExplainedClass
from wrn.jobs.heat_map_folder import HeatMapFolder


def test_many_classes_are_summed_up(tmp_path, capsys):
    folder = HeatMapFolder('--out', str(tmp_path / 'heat'), [], overwrite=False)
    for number in range(10):
        one = ExplainedClass(
            pred_label=number, pred_class=f'cell {number}', pred_score=0.1, is_blank=number > 1,
            raw_map=np.zeros((1, 1), np.float32), overlay=np.zeros((1, 1, 3), np.uint8),
        )  # fmt: skip
        folder.write_overlay(number, 'x.png', one)
    report_heat_maps(folder, 'maps')
    text = capsys.readouterr().err
    assert '8 of 10 heat maps have no positive value, so only the image is shown (1 of ' in text
    assert "1 of 'cell 6', 3 of 3 other classes): no position raises the score" in text
