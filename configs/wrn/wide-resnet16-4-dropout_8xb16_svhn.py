_base_ = ['./wide-resnet16-4_8xb16_svhn.py']

model = dict(backbone=dict(drop_rate=0.4))
