# The recipe of torchvision's second weights, IMAGENET1K_V2.
_base_ = [
    '../_base_/models/wide-resnet50.py',
    '../_base_/datasets/imagenet_bs128_trivialaugment_176.py',
    '../_base_/schedules/imagenet_bs1024_600e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(loss=dict(_delete_=True, type='LabelSmoothLoss', label_smooth_val=0.1)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2), dict(type='CutMix', alpha=1.0)]),
)
