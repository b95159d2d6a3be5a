_base_ = ['./wide-resnet40-4_8xb16_cifar10.py']

model = dict(backbone=dict(drop_rate=0.3))
