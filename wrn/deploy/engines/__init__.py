"""Run a network in a runtime, behind one interface.

A classifier and example inputs come in; out comes an engine, which maps inputs to scores or
features, and its difference from the network in eager mode. Open ``build`` first. ``engine`` is the
interface, ``graph`` exports the network for it, and each runtime has a module.
"""

from wrn.deploy.engines.build import BACKENDS, build_engine
from wrn.deploy.engines.engine import PRECISIONS, Engine, EngineError
from wrn.deploy.engines.verify import Difference

__all__ = ['BACKENDS', 'PRECISIONS', 'Difference', 'Engine', 'EngineError', 'build_engine']
