"""What commands do, as functions: ``wrn.finetune``, ``wrn.train``, ``wrn.test`` and so on.

In: the arguments of a command, under the same names. Out: an object with figures and paths. Nothing
is printed. What a command would say goes to the logger ``wrn``. Open ``finetune`` first. Each job
is a module. The others hold what several jobs share: ``run_options``, ``speed_options`` and
``settings`` apply options to a config, ``loading`` loads a model for inference, and ``outputs``
checks what will be written.
"""
