"""What needs no torch: messages, the model index, and the command line up to its work.

``import wrn`` registers networks in mmpretrain, so it imports torch, which takes seconds. The
console script imports this package instead, and ``wrn`` when a command needs it. In: arguments.
Out: help, lists and errors of usage, or the call of a function in ``wrn.cli``. ``wrn`` imports this
package. This package imports nothing of ``wrn`` before a command runs. Open ``cli`` first.
"""
