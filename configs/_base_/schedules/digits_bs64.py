# The paper's recipe for CIFAR with a tenth of the epochs, and half the batch and learning rate.
_base_ = ['./cifar_bs128.py']

optim_wrapper = dict(optimizer=dict(lr=0.05))
param_scheduler = dict(milestones=[6, 12, 16])

train_cfg = dict(max_epochs=20, val_interval=5)

auto_scale_lr = dict(base_batch_size=64)
