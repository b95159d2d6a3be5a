# The paper's recipe for CIFAR, shortened: a tenth of the epochs, half the batch and the rate.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
)
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[6, 12, 16], gamma=0.2)

train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=5)
val_cfg = dict()
test_cfg = dict()

auto_scale_lr = dict(base_batch_size=64)
