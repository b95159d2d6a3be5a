_base_ = [
    '../_base_/models/wide-resnet_cifar_modern.py',
    '../_base_/datasets/cifar10_bs16_randaug.py',
    '../_base_/schedules/cifar_bs128_modern.py',
    '../_base_/cifar_runtime.py',
]

model = dict(backbone=dict(depth=28, widen_factor=10), head=dict(in_channels=640))
