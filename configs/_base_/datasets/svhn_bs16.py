# Street View House Numbers as the paper prepares them: divided by 255, not augmented, trained on
# the 604,388 pictures of both training sets.
data_preprocessor = dict(num_classes=10, mean=[0.0] * 3, std=[255.0] * 3, to_rgb=False)

train_pipeline = [dict(type='PackInputs')]
test_pipeline = [
    dict(type='Resize', scale=(32, 32), backend='pillow'),  # of pictures of other sizes
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    dataset=dict(
        type='SVHN', data_root='data/svhn', split=('train', 'extra'), pipeline=train_pipeline
    ),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=2,
    dataset=dict(type='SVHN', data_root='data/svhn', split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = dict(type='Accuracy', topk=(1, 5))

test_dataloader = val_dataloader
test_evaluator = val_evaluator
