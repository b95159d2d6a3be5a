_base_ = ['./wide-resnet50_8xb32_in1k.py']

model = dict(backbone=dict(depth=18, widen_factor=1.5), head=dict(in_channels=768))
