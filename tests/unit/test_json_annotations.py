"""Annotation files in JSON are checked before a run."""

import json
import os

import pytest

from wrn.data.json_annotations import check_json
from wrn.utils.errors import WrnError


def write(path, *labels, classes=('ape', 'bee')):
    images = [dict(img_path=f'{i}.png', gt_label=label) for i, label in enumerate(labels)]
    path.write_text(json.dumps(dict(metainfo=dict(classes=classes), data_list=images)))
    return path


def test_right_files_pass(tmp_path):
    path = write(tmp_path / 'x.json', 0, [0, 1], [], None)
    check_json(path, 2)
    check_json(path, None, ('ape', 'bee'))


@pytest.mark.parametrize('label', [2, [0, 2], -1, 'a', 0.5])
def test_labels_that_the_head_does_not_have(tmp_path, label):
    path = write(tmp_path / 'x.json', 0, label)
    with pytest.raises(WrnError, match=r'x.json: 1.png has the label .* labels count from 0$'):
        check_json(path, 2)


def test_other_names_in_the_config(tmp_path):
    path = write(tmp_path / 'x.json', 0)
    with pytest.raises(WrnError, match='names the classes ape, bee in another way'):
        check_json(path, 2, ['bee', 'ape'])


@pytest.mark.parametrize('text', ['', '[]', '{"data_list": [1]}', '[' * 100_000, '{"metainfo": 3}'])
def test_what_is_not_an_annotation_file(tmp_path, text):
    (tmp_path / 'x.json').write_text(text)
    with pytest.raises(WrnError, match=r'x.json: cannot be read as annotations \('):
        check_json(tmp_path / 'x.json', 2)


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / 'x.json')
    with pytest.raises(
        WrnError, match=r'x.json: cannot be read as annotations \(not a file, but a'
    ):
        check_json(tmp_path / 'x.json', 2)
