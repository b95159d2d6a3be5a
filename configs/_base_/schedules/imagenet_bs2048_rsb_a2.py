# Recipe A2 of "ResNet strikes back".
_base_ = ['./imagenet_bs2048_rsb_a1.py']

optim_wrapper = dict(optimizer=dict(weight_decay=0.02))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.0001, by_epoch=True, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=295, eta_min=1e-6, by_epoch=True, begin=5, end=300),
]

train_cfg = dict(max_epochs=300)
