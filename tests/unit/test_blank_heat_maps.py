"""Heat maps that show nothing are reported with their number and their classes."""

import re

import numpy as np

from wrn.cli.heat_maps import report_heat_maps
from wrn.inference.explained_images import ExplainedClass
from wrn.jobs.heat_map_folder import HeatMapFolder


def report(folder, names):
    """Write a map for each class, of which the first two are not blank, and report them."""
    maps = HeatMapFolder('--out', str(folder / 'heat'), [], overwrite=False)
    for number, name in enumerate(names):
        one = ExplainedClass(
            pred_label=number, pred_class=name, pred_score=0.1, is_blank=number > 1,
            raw_map=np.zeros((1, 1), np.float32), overlay=np.zeros((1, 1, 3), np.uint8),
        )  # fmt: skip
        maps.write_overlay(number, 'x.png', one)
    report_heat_maps(maps, 'maps')


def test_many_classes_are_summed_up(tmp_path, capsys):
    report(tmp_path, [f'cell {number}' for number in range(10)])
    text = capsys.readouterr().err
    assert '8 of 10 heat maps have no positive value, so only the image is shown (1 of ' in text
    assert "1 of 'cell 6', 3 of 3 other classes): no position raises the score" in text


def test_classes_whose_names_start_alike_are_counted_apart(tmp_path, capsys):
    report(tmp_path, [f'{"specimen_of_the_collection_" * 3}{number:03}' for number in range(4)])
    text = capsys.readouterr().err
    assert re.search(r"\(1 of 'specimen_.*….*_002', 1 of 'specimen_.*….*_003'\)", text)
