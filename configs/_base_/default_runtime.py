# Registers the networks, so that mmpretrain's tools and mim can run the configs.
custom_imports = dict(imports=['wrn'], allow_failed_imports=False)
default_scope = 'mmpretrain'

default_hooks = dict(
    timer=dict(type='ThroughputHook'),
    logger=dict(type='LoggerHook', interval=100, ignore_last=False),  # the mean loss of each epoch
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='VisualizationHook', enable=False),
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)

log_processor = dict(type='ProgressLogProcessor')
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=None, deterministic=False)
