# ImageNet-1k for torchvision's second recipe: trained at 176 pixels, tested at 224.
_base_ = ['./imagenet_bs32_pil_resize232.py']

train_pipeline = [
    dict(type='LoadRandomResizedCrop', scale=176),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='NumpyToPIL', to_rgb=True),
    dict(type='torchvision/TrivialAugmentWide', interpolation='bilinear'),
    dict(type='PILToNumpy', to_bgr=True),
    dict(
        type='RandomErasing',
        erase_prob=0.1,
        mode='const',
        max_area_ratio=0.33,
        fill_color=[103.53, 116.28, 123.675],  # 0 after normalization; BGR
    ),
    dict(type='PackInputs'),
]

train_dataloader = dict(batch_size=128, dataset=dict(pipeline=train_pipeline))
