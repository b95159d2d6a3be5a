_base_ = ['./wide-resnet50_torchvision-v2_8xb32_in1k.py']

model = dict(backbone=dict(depth=101))
