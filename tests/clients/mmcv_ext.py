"""Stands in for mmcv's compiled operators, ``mmcv/_ext``, which mmcv-lite does not have.

``.ci/run`` copies it there. mmdetection and mmsegmentation import all operators. torchvision computes
those that the tests need; all others raise.
"""

import torch
from torchvision import ops


def __getattr__(name):
    if name.startswith('__'):
        raise AttributeError(name)

    def missing(*args, **kwargs):
        raise NotImplementedError(f'mmcv._ext.{name}')

    return missing


def nms(boxes, scores, iou_threshold, offset):
    assert offset == 0
    return ops.nms(boxes, scores, iou_threshold)


def roi_align_forward(inputs, rois, output, argmax_y, argmax_x, **options):
    output.copy_(_roi_align(inputs, rois, **options))


def roi_align_backward(gradient, rois, argmax_y, argmax_x, input_gradient, **options):
    with torch.enable_grad():
        inputs = torch.zeros_like(input_gradient, requires_grad=True)  # the operator is linear
        output = _roi_align(inputs, rois, **options)
    input_gradient.copy_(torch.autograd.grad(output, inputs, gradient)[0])


def _roi_align(
    inputs, rois, aligned_height, aligned_width, spatial_scale, sampling_ratio, pool_mode, aligned
):
    assert pool_mode == 1  # the average
    size = (aligned_height, aligned_width)
    return ops.roi_align(inputs, rois, size, spatial_scale, sampling_ratio or -1, aligned)
