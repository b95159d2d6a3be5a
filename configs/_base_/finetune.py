# Fine-tune torchvision's first wide-resnet50 on your own class folders, with `wrn finetune DATA` or
# a config of five lines: docs/finetuning.md.
_base_ = [
    './models/wide-resnet50.py',
    './datasets/imagenet_bs32_pil_resize.py',
    './schedules/finetune_bs32.py',
    './default_runtime.py',
]

load_from = 'wrn://wide-resnet50_3rdparty_8xb32_in1k'
model = dict(head=dict(topk=1))
data_preprocessor = dict(num_classes=None)

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='data',
        data_prefix='train',
        pipeline={{_base_.train_pipeline}},
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='data',
        data_prefix='val',
        pipeline={{_base_.test_pipeline}},
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(topk=1)
test_evaluator = val_evaluator

default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(max_keep_ckpts=1, save_best='accuracy/top1', rule='greater'),
)
randomness = dict(seed=0)
