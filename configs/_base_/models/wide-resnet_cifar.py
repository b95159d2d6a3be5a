# WRN-d-k, section 2 of the paper. Configs set depth, widen_factor and the sizes of the head.
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
