"""Let our models take the place of mmpretrain's own of the same names.

``ModelHub.register_model_index`` raises when a name is registered twice, and a name registered
before mmpretrain's own index is read makes that reading fail, and with it every later
``get_model`` and ``list_models``. There is no public way to override an entry. So ours are put in
each time after the one method that reads mmpretrain's index, whoever calls it first. Can go when
``register_model_index`` takes an argument to override, or mmpretrain drops its wide-resnet page.
"""

from collections.abc import Callable
from typing import Any

from mmpretrain.apis.model import ModelHub


def override_models(models: Callable[[], dict[str, Any]]) -> None:
    """Put models into mmpretrain's hub, over its own of the same names.

    Args:
        models: Returns the entries by lower-case name; called when the hub is first asked.
    """
    read_index = ModelHub._register_mmpretrain_models

    def _register_mmpretrain_models(cls: type[ModelHub]) -> None:
        read_index()
        cls._models_dict.update(models())

    ModelHub._register_mmpretrain_models = classmethod(_register_mmpretrain_models)
