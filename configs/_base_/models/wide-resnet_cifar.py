# WRN-d-k of the paper's section 2; configs give depth, widen_factor and the head's sizes.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='WideResNetCIFAR'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        topk=(1, 5),
        init_cfg=dict(type='Kaiming', layer='Linear', mode='fan_in', nonlinearity='relu'),
    ),
)
