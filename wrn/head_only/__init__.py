"""Fine-tuning of the head alone: a linear probe.

In: the config of a fine-tuning run, and the images of its splits. Out: a file of weights and a
report, as fine-tuning writes them. Open ``train_head`` first. ``image_features`` computes the
features of images by ``feature_network`` and ``views``, or finds them in the ``feature_cache``.
``logistic_regression`` fits the head, and ``head_results`` writes the files. ``estimate`` compares
the time of this with that of training all layers.
"""

from wrn.head_only.estimate import estimate_durations
from wrn.head_only.head_only_config import use_head_only
from wrn.head_only.train_head import train_head

__all__ = ['estimate_durations', 'train_head', 'use_head_only']
