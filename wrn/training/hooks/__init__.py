"""Hooks for mmengine's runner, one concern per module.

In: mmengine's runner and configs. Out: hooks that :mod:`wrn.training.runner` registers. Open
``termination`` first: it stops a run cleanly. ``safe_checkpoints``, ``position``, ``schedule``,
``normalization`` and ``early_stopping`` write checkpoints and resume from them. ``model_checks``,
``last_batch``, ``unreadable_images`` and ``finite_loss`` report mistakes. ``performance`` sets how
a step is computed. ``broadcast_buffers`` gives all processes the same statistics to validate with.
``progress_log`` logs. ``engine_hook`` tests a backend.
"""
