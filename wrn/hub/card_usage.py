"""How to use a model from the hub, in this package and in other libraries."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from wrn.data.images import Preprocessing

# Options of a backbone that do not change what the whole network computes.
_NEUTRAL = {
    'type', 'depth', 'widen_factor', 'out_indices', 'frozen_stages', 'norm_eval', 'with_cp',
    'channels_last', 'drop_path_rate', 'init_cfg',
}  # fmt: skip
_STYLES = (None, 'pytorch')
_NETWORKS: dict[Any, str] = {  # of torchvision and timm, by depth and widen factor
    **{(depth, 1): f'resnet{depth}' for depth in (18, 34, 50, 101, 152)},
    **{(depth, 2): f'wide_resnet{depth}_2' for depth in (50, 101)},
}


def describe_usage(repository: str, config: Config, num_classes: int) -> str:
    """Return the section of a card that says how to use the model.

    Args:
        repository: The name of the repository, which has no character that needs escapes.
        config: The config of the model.
        num_classes: The number of its classes.
    """
    shape = ', '.join(map(str, Preprocessing(config).example(1).shape))
    parts = [
        f"""\
## Use

With the package `mmpretrain-wrn`, which prepares images as in training and names the classes:

```bash
wrn predict cat.jpg --model hf://{repository}
wrn finetune FOLDER --model hf://{repository}
```

```python
import torch
import wrn

print(wrn.inference_model('hf://{repository}', 'cat.jpg')['pred_class'])

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
    others = {key: value for key, value in backbone.items() if key not in _NEUTRAL}
    if backbone.get('type') != 'WideResNet' or others.pop('style', None) not in _STYLES or others:
        return None
    return _NETWORKS.get((backbone.get('depth'), backbone.get('widen_factor', 2)))
