"""The networks in mmdetection: the example config, with its own runner and evaluation."""

import json

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from PIL import Image

pytest.importorskip('mmdet')

from mmdet.apis import inference_detector, init_detector
from mmdet.utils import register_all_modules


@pytest.fixture
def coco(tmp_path, rng):
    """Four images in the layout of COCO, each with one bright box."""
    for split in ('train2017', 'val2017'):
        (tmp_path / split).mkdir()
        images, boxes = [], []
        for i in range(4):
            pixels = rng.integers(0, 80, (64, 96, 3)).astype(np.uint8)
            x, y, size = 8 * i, 4 * i, 24 + 4 * i
            pixels[y : y + size, x : x + size] = 255
            Image.fromarray(pixels).save(tmp_path / split / f'{i}.jpg')
            images.append(dict(id=i, file_name=f'{i}.jpg', width=96, height=64))
            box = dict(bbox=[x, y, size, size], area=size**2, iscrowd=0)
            boxes.append(dict(id=i + 1, image_id=i, category_id=1, **box))
        names = [dict(id=1, name='box')]
        content = dict(images=images, annotations=boxes, categories=names)
        (tmp_path / f'{split}.json').write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def cfg(read_example, narrow, coco):
    register_all_modules()
    cfg = read_example('detection/faster-rcnn_wide-resnet50_fpn_1x_coco.py')
    cfg.model.backbone.update(narrow.options)
    cfg.model.neck.update(in_channels=narrow.channels, out_channels=16)
    cfg.model.rpn_head.update(in_channels=16, feat_channels=16)
    cfg.model.roi_head.bbox_roi_extractor.out_channels = 16
    cfg.model.roi_head.bbox_head.update(in_channels=16, fc_out_channels=16, num_classes=1)
    for split, folder in (('train', 'train2017'), ('val', 'val2017'), ('test', 'val2017')):
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.update(
            data_root=f'{coco}/', ann_file=f'{folder}.json', metainfo=dict(classes=('box',))
        )
        for step in dataset.pipeline:
            if step.type == 'Resize':
                step.scale = (96, 64)
    cfg.val_evaluator.ann_file = cfg.test_evaluator.ann_file = f'{coco}/val2017.json'
    cfg.model.test_cfg.rcnn.score_thr = 0.0
    cfg.optim_wrapper.optimizer.weight_decay = 0.0  # changes weights without a gradient, too
    cfg.param_scheduler = []  # a warm-up changes weights less than float32 shows
    cfg.train_cfg.max_epochs = 1
    cfg.default_hooks.logger.interval = 1
    return cfg


@pytest.mark.parametrize('with_cp', [False, True])
def test_train_predict_and_load(cfg, train_two_steps, coco, with_cp):
    cfg.model.backbone.with_cp = with_cp
    models = train_two_steps(cfg, True, init_detector)
    image = str(coco / 'val2017/3.jpg')
    expected, found = (inference_detector(model, image).pred_instances for model in models)
    assert len(found) > 0
    for key in ('bboxes', 'scores', 'labels'):
        assert torch.equal(found[key], expected[key])


def test_resume(cfg):
    """mmengine stores what torch's safe loader refuses; ours reads it."""
    Runner.from_cfg(cfg).train()
    cfg.train_cfg.max_epochs = 2
    cfg.update(resume=True, experiment_name='second')
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 4


def test_learns(cfg):
    """In 30 epochs on four images, it finds their boxes."""
    cfg.train_cfg.update(max_epochs=30, val_interval=30)
    cfg.optim_wrapper.optimizer.lr = 0.01
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.val()['coco/bbox_mAP_50'] > 0.3
