# WRN-d-k with label smoothing, mixup and CutMix, for the modern recipe.
_base_ = ['./wide-resnet_cifar.py']

model = dict(
    head=dict(loss=dict(_delete_=True, type='LabelSmoothLoss', label_smooth_val=0.1)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2), dict(type='CutMix', alpha=1.0)]),
)
