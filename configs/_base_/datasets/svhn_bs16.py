# Street View House Numbers as in the paper: divided by 255, without augmentation, trained on the
# 604,388 images of both training sets.
_base_ = ['./cifar10_bs16.py']

data_preprocessor = dict(mean=[0.0] * 3, std=[255.0] * 3)
train_pipeline = [dict(type='PackInputs')]
dataset = dict(type='SVHN', data_root='data/svhn')

train_dataloader = dict(dataset=dict(**dataset, split=('train', 'extra'), pipeline=train_pipeline))
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader
