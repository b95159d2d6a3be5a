"""Run a network in a runtime, behind one interface.

In: a classifier and example inputs. Out: an engine, which maps inputs to logits or features, and
its difference from the network in eager mode. Open ``build`` first.

``engine`` is the interface. ``graph`` exports the network for it. Each runtime has a module.
"""

from wrn.deploy.engines.build import BACKENDS, build_engine, find_missing, name_supporting
from wrn.deploy.engines.engine import PRECISIONS, Engine, EngineError
from wrn.deploy.engines.verify import Difference

__all__ = [
    'BACKENDS',
    'PRECISIONS',
    'Difference',
    'Engine',
    'EngineError',
    'build_engine',
    'find_missing',
    'name_supporting',
]
