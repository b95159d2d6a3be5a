# python MMDETECTION/tools/train.py THIS_FILE; see docs/detection.md
_base_ = ['mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py']

custom_imports = dict(imports=['wrn'], allow_failed_imports=False)

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.WideResNet',
        depth=50,
        widen_factor=2,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        norm_eval=True,
        with_cp=False,  # True takes less memory and more time
        init_cfg=dict(type='Pretrained', checkpoint='wrn://wide-resnet50_3rdparty_8xb32_in1k'),
    )
)
