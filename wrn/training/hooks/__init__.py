"""Hooks for mmengine's runner, one concern per module.

mmengine's runner and configs come in; hooks that :mod:`wrn.training.runner` registers go out. Open
``termination`` first, which stops a run cleanly. ``safe_checkpoints``, ``position``, ``schedule``
and ``early_stopping`` write checkpoints and resume from them; ``model_checks``,
``unreadable_images`` and ``finite_loss`` report mistakes; ``kernels`` sets how a step is computed,
and ``broadcast_buffers`` what processes validate with; ``progress_log`` logs, and ``engine_hook``
tests a backend.
"""
