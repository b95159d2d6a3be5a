"""How to use a model from the hub, in this package and in other libraries."""

import inspect
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmpretrain.models.backbones import ResNet

from wrn.checkpoints.network_options import OPTIONS, find_differences, get_kind
from wrn.data.images import Preprocessing
from wrn.models import WideResNet
from wrn.training.evaluation import get_thresholds

# Options of a backbone that choose the network, or do not change what the whole of it computes.
_ANY = {
    'type', 'depth', 'widen_factor', 'out_indices', 'frozen_stages', 'norm_eval', 'with_cp',
    'channels_last', 'drop_path_rate', 'zero_init_residual', 'init_cfg',
}  # fmt: skip
_DEFAULTS = {
    name: parameter.default
    for network in (ResNet, WideResNet)
    for name, parameter in inspect.signature(network).parameters.items()
}
_NETWORKS: dict[Any, str] = {  # of torchvision and timm, by depth and widen factor
    **{(depth, 1): f'resnet{depth}' for depth in (18, 34, 50, 101, 152)},
    **{(depth, 2): f'wide_resnet{depth}_2' for depth in (50, 101)},
}


def describe_classes(head: Mapping[str, Any], num_classes: int) -> str:
    """Return how many classes there are, and how many of them an image has.

    Args:
        head: The config of the head.
        num_classes: The number of classes.
    """
    if not _is_multi_label(head):
        return f'{num_classes}, one per image, by the softmax of the logits'
    needed = get_thresholds(head)
    threshold = needed['thr']
    which = (
        f'the best {needed["topk"]}' if threshold is None else f'those of at least {threshold:g}'
    )
    return f'{num_classes}, any number per image, by the sigmoid of each logit: {which}'


def _is_multi_label(head: Mapping[str, Any]) -> bool:
    return get_kind(head).startswith('MultiLabel')


def describe_usage(repository: str, config: Config, num_classes: int) -> str:
    """Return the section of a card that says how to use the model.

    Args:
        repository: The name of the repository, which has no character that needs escapes.
        config: The config of the model.
        num_classes: The number of its classes.
    """
    shape = ', '.join(map(str, Preprocessing(config).example(1).shape))
    result = 'pred_classes' if _is_multi_label(config.model.head) else 'pred_class'
    parts = [
        f"""\
## Use

With the package `mmpretrain-wrn`, which prepares images as in training and names the classes:

```bash
pip install mmpretrain-wrn
wrn predict cat.jpg --model hf://{repository}
wrn finetune FOLDER --model hf://{repository}
```

```python
import torch
import wrn

print(wrn.inference_model('hf://{repository}', 'cat.jpg')['{result}'])

# In torch: a module in eval mode, from normalized images to logits.
model = wrn.get_model('hf://{repository}', pretrained=True)
with torch.inference_mode():
    logits = model(torch.zeros({shape}))
```
""",
    ]
    if name := find_network(config.model.backbone):
        parts.append(
            f"""\
In timm or torchvision, without this package. Prepare and normalize the images as above:

```python
import timm
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file

weights = load_file(hf_hub_download('{repository}', 'model.safetensors'))
weights = {{k.removeprefix('backbone.').removeprefix('head.'): v for k, v in weights.items()}}
model = timm.create_model('{name}', num_classes={num_classes}).eval()
# or torchvision.models.{name}(num_classes={num_classes}).eval()
model.load_state_dict(weights)
```
"""
        )
    return '\n'.join(parts)


def find_network(backbone: Mapping[str, Any]) -> str | None:
    """Return the name of the network that torchvision and timm have, too.

    Args:
        backbone: The config of the backbone.

    Returns:
        The name. None if they have no network that computes the same.
    """
    if get_kind(backbone) != 'WideResNet' or find_differences(dict(type='WideResNet'), backbone):
        return None
    others = backbone.keys() - _ANY - OPTIONS['WideResNet'].keys()
    if any(backbone[key] != _DEFAULTS.get(key) for key in others):
        return None
    return _NETWORKS.get((backbone.get('depth'), backbone.get('widen_factor', 2)))
