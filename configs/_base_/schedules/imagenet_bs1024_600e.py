# torchvision's second recipe: https://github.com/pytorch/vision/issues/3995
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.5, momentum=0.9, weight_decay=2e-5),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=True, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=595, by_epoch=True, begin=5, end=600),
]
# torchvision's EMA: decay 0.99998 every 32 steps of 1024 images, over 600 epochs, starting after
# the warm-up.
custom_hooks = [
    dict(type='EMAHook', momentum=1.0923e-3, interval=32, update_buffers=True, begin_epoch=5)
]

train_cfg = dict(by_epoch=True, max_epochs=600, val_interval=1)
val_cfg = dict()
test_cfg = dict()

auto_scale_lr = dict(base_batch_size=1024)
