# For SVHN, section 3 of the paper.
_base_ = ['./cifar_bs128.py']

optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = dict(milestones=[80, 120], gamma=0.1)

train_cfg = dict(max_epochs=160)
