"""Estimate how long it takes to train all layers of a network, and to train its head alone."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from wrn.config.config_parts import get_data_preprocessor
from wrn.data.splitting import Splits
from wrn.head_only.feature_network import time_forward
from wrn.head_only.views import View, hash_files, read_views

_IMAGES = 4  # to read
_SECONDS = 1.0  # of a step to measure; its batch is as large as fits into them
