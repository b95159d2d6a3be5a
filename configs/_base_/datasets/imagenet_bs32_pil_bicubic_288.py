# ImageNet-1k as timm evaluated its weights at 288 pixels: bicubic, crop ratio 0.95.
_base_ = ['./imagenet_bs32_pil_bicubic.py']

test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='ResizeEdge',
        scale=303,  # 288 / 0.95
        edge='short',
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='CenterCrop', crop_size=288),
    dict(type='PackInputs'),
]

val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
