# ImageNet-1k for the recipe A3 of "ResNet strikes back": trained at 160 pixels, tested at 224.
_base_ = ['./imagenet_bs256_rsb_a12.py']

train_pipeline = [
    dict(type='LoadRandomResizedCrop', scale=160, interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='RandAugment',
        policies='timm_increasing',
        num_policies=2,
        total_level=10,
        magnitude_level=6,
        magnitude_std=0.5,
        hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic'),
    ),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    dataset=dict(pipeline=train_pipeline), sampler=dict(type='DefaultSampler', shuffle=True)
)
