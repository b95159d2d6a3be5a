"""Examine an installation: packages, backends, machine, caches and network.

In: nothing, or that the network is to be left alone. Out: findings, each with its cure if something
is wrong. It works if ``import wrn`` fails: what may fail is tried in another process. Open
``finding`` and ``examine`` first.
"""
