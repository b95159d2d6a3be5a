_base_ = [
    '../_base_/models/wide-resnet_cifar.py',
    '../_base_/datasets/cifar10_bs16.py',
    '../_base_/schedules/cifar_bs128.py',
    '../_base_/cifar_runtime.py',
]

model = dict(backbone=dict(depth=16, widen_factor=4), head=dict(in_channels=256))
