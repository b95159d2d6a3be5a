"""Hooks for mmengine's runner, one concern per module.

mmengine's runner and configs come in; hooks that :mod:`wrn.training.runner` registers go out. Open
``termination`` first, which stops a run cleanly. ``safe_checkpoints``, ``schedule`` and
``early_stopping`` write checkpoints and resume from them, ``model_checks`` and
``unreadable_images`` report mistakes, ``progress_log`` logs, and ``engine_hook`` tests a backend.
"""
