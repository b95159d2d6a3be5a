# Recipe A1 of "ResNet strikes back": https://arxiv.org/abs/2110.00476
optim_wrapper = dict(
    optimizer=dict(type='Lamb', lr=0.005, weight_decay=0.01),
    paramwise_cfg=dict(bias_decay_mult=0.0, norm_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.0001, by_epoch=True, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=595, eta_min=1e-6, by_epoch=True, begin=5, end=600),
]

train_cfg = dict(by_epoch=True, max_epochs=600, val_interval=1)
val_cfg = dict()
test_cfg = dict()

auto_scale_lr = dict(base_batch_size=2048)
