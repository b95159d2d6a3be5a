# python MMSEGMENTATION/tools/train.py THIS_FILE; see docs/detection.md
_base_ = ['mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024.py']

custom_imports = dict(imports=['wrn'], allow_failed_imports=False)

model = dict(
    pretrained=None,  # of mmsegmentation's ResNet
    backbone=dict(
        _delete_=True,
        type='mmpretrain.WideResNet',
        depth=50,
        widen_factor=2,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=True,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        init_cfg=dict(type='Pretrained', checkpoint='wrn://wide-resnet50_3rdparty_8xb32_in1k'),
    ),
)
