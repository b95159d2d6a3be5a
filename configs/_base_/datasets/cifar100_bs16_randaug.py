# CIFAR-100 with random augmentation, for the modern recipe.
_base_ = ['./cifar10_bs16_randaug.py']

data_preprocessor = dict(num_classes=100)
dataset = dict(type='CIFAR100', data_root='data/cifar100')

train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader
