"""Engines: runtimes that a network runs in, behind one interface."""

from wrn.deploy.engines.build import BACKENDS, build_engine
from wrn.deploy.engines.engine import PRECISIONS, Engine, EngineError
from wrn.deploy.engines.verify import Difference

__all__ = ['BACKENDS', 'PRECISIONS', 'Difference', 'Engine', 'EngineError', 'build_engine']
