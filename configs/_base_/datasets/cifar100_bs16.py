# CIFAR-100 with the preprocessing and statistics of CIFAR-10, as in the paper.
_base_ = ['./cifar10_bs16.py']

data_preprocessor = dict(num_classes=100)
dataset = dict(type='CIFAR100', data_root='data/cifar100')

train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader
