# CIFAR-100, which the paper prepares as CIFAR-10, with the statistics of the latter.
_base_ = ['./cifar10_bs16.py']

data_preprocessor = dict(num_classes=100)
dataset = dict(type='CIFAR100', data_root='data/cifar100')

train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader
