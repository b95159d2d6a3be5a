"""What each command takes: its options, examples and page of documentation.

In: nothing. Out: ``ARGUMENTS``, ``EXAMPLES`` and ``DOCS`` of a command. The work is done by ``run``
in the module of ``wrn.cli`` of the same name. ``list`` and ``info`` have a ``run`` here too, since
they show what the model index says without torch.
"""
