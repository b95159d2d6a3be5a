# Recipe A3 of "ResNet strikes back": binary cross-entropy and LAMB, trained at 160 pixels.
_base_ = [
    '../_base_/models/wide-resnet50.py',
    '../_base_/datasets/imagenet_bs256_rsb_a3.py',
    '../_base_/schedules/imagenet_bs2048_rsb_a3.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(loss=dict(use_sigmoid=True)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.1), dict(type='CutMix', alpha=1.0)]),
)
