_base_ = ['./wide-resnet28-10_8xb16_cifar100.py']

model = dict(backbone=dict(drop_rate=0.3))
