_base_ = ['./default_runtime.py']

# A checkpoint of WRN-28-10 has 300 MB, and a run has 200 epochs.
default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=2))
