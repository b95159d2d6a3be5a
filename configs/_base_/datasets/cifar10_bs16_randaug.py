# CIFAR-10 with random augmentation, for the modern recipe.
_base_ = ['./cifar10_bs16.py']

train_pipeline = [
    # Pads by 4 pixels. RandomCrop's `padding` does not reflect, whatever its mode.
    dict(type='RandomCrop', crop_size=40, pad_if_needed=True, padding_mode='reflect'),
    dict(type='RandomCrop', crop_size=32),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(  # assumes BGR, so its gray swaps the weights of red and blue
        type='RandAugment',
        policies='timm_increasing',
        num_policies=2,
        total_level=10,
        magnitude_level=5,
        magnitude_std=0.5,
        hparams=dict(pad_val=[125, 123, 114], interpolation='bilinear'),
    ),
    dict(type='PackInputs'),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
