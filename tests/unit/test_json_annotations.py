"""Annotation files in JSON are checked before a run."""

import json
import os

import mmengine
import pytest
from mmpretrain.datasets import MultiLabelDataset

from wrn.data.json_annotations import check_json
from wrn_base.errors import WrnError


def write(path, *labels, classes=('ape', 'bee')):
    images = [dict(img_path=f'{i}.png', gt_label=label) for i, label in enumerate(labels)]
    path.write_text(json.dumps(dict(metainfo=dict(classes=classes), data_list=images)))
    return path


def test_right_files_pass(tmp_path):
    path = write(tmp_path / 'x.json', 0, [0, 1], [])
    assert check_json(path, 2) == {0, 1}
    assert check_json(path, None, ('ape', 'bee')) == {0, 1}


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = write(tmp_path / 'x.json', 0, 1)
    path.write_text(path.read_text(), encoding='utf-8-sig')
    assert check_json(path, 2) == {0, 1}
    dataset = MultiLabelDataset(ann_file=str(path), lazy_init=False)
    assert dataset.get_gt_labels().tolist() == [0, 1]
    with path.open('rb') as file:
        assert mmengine.load(file, file_format='json').keys() == {'metainfo', 'data_list'}


@pytest.mark.parametrize('label', [2, [0, 2], -1, 'a', 0.5, True, [True], [None]])
def test_labels_that_the_head_does_not_have(tmp_path, label):
    path = write(tmp_path / 'x.json', 0, label)
    with pytest.raises(WrnError, match=r'x.json: 1.png has the label .* from 0 to 1, the last'):
        check_json(path, 2)


@pytest.mark.parametrize('label', [-1, True])
def test_what_is_no_label_of_any_head(tmp_path, label):
    path = write(tmp_path / 'x.json', 0, label)
    with pytest.raises(WrnError, match=r'x.json: 1.png has the label .*; give an integer from 0$'):
        check_json(path, None)


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        ({'img_path': 'a.png'}, 'a.png has no gt_label'),
        ({'img_path': 'a.png', 'gt_label': None}, 'a.png has no gt_label'),
        ({'gt_label': 0}, 'entry 2 of data_list has no img_path'),
    ],
)
def test_incomplete_entries_are_named(tmp_path, entry, message):
    path = tmp_path / 'x.json'
    whole = dict(img_path='0.png', gt_label=0)
    path.write_text(json.dumps(dict(metainfo={}, data_list=[whole, entry])))
    with pytest.raises(WrnError, match=f'x.json: {message}; add it'):
        check_json(path, 2)


def test_other_names_in_the_config(tmp_path):
    path = write(tmp_path / 'x.json', 0)
    with pytest.raises(WrnError, match='names the classes ape, bee in another way'):
        check_json(path, 2, ['bee', 'ape'])


@pytest.mark.parametrize(
    'text', ['', '[]', '{"data_list": [1]}', '{"data_list": []}', '[' * 100_000, '{"metainfo": 3}']
)
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
