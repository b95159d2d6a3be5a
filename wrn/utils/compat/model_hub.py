"""Replace mmpretrain's models by ours of the same names.

mmpretrain has no public way to override an entry of its hub. ``ModelHub.register_model_index``
raises if a name is registered twice. If a name is registered before mmpretrain reads its own index,
that reading fails, and so does every later ``get_model`` and ``list_models``. We therefore wrap the
one method that reads mmpretrain's index and add our entries after each call.

Can go when ``register_model_index`` takes an argument to override, or mmpretrain drops its own
Wide-ResNet entries.
"""

from collections.abc import Callable
from typing import Any

from mmpretrain.apis.model import ModelHub


def override_models(models: Callable[[], dict[str, Any]]) -> None:
    """Add models to mmpretrain's hub, and replace those of the same names.

    Args:
        models: Returns the entries by lower-case name. Called when the hub reads its index.
    """
    read_index = ModelHub._register_mmpretrain_models

    def _register_mmpretrain_models(cls: type[ModelHub]) -> None:
        read_index()
        cls._models_dict.update(models())

    ModelHub._register_mmpretrain_models = classmethod(_register_mmpretrain_models)
