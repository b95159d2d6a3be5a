_base_ = ['./default_runtime.py']

# Of 200 checkpoints of WRN-28-10 each has 300 MB.
default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=2))
