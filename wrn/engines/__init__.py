"""Engines: runtimes that a network runs in, behind one interface."""

from wrn.engines.building import BACKENDS, build_engine
from wrn.engines.checking import Difference
from wrn.engines.engine import PRECISIONS, Engine, EngineError

__all__ = ['BACKENDS', 'PRECISIONS', 'Difference', 'Engine', 'EngineError', 'build_engine']
