"""Errors that say what is wrong, where, and what to do; the command line prints them so."""


class WrnError(ValueError):
    """A mistake in what the user gave; the message names the file or key, the reason, the cure."""


class CheckpointError(WrnError):
    """A checkpoint that cannot be read, or does not fit the model."""


class RandomWeightsWarning(UserWarning):
    """A model was asked for with pretrained weights, and all or some of its weights are random."""


class PictureError(WrnError):
    """A picture that cannot be read."""
