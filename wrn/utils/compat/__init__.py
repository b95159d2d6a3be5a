"""Work-arounds of upstream defects, one per module.

In: modules of torch, torchvision, mmengine and mmpretrain. Out: the same modules with a part
replaced. Each docstring names the defect and says when the work-around can go. Open
``quick_imports`` first: ``import wrn`` runs it.
"""
