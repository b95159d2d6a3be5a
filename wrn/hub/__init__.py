"""A model's repository on the Hugging Face hub: its files, and the card that describes it.

In: a file of weights that ``wrn publish`` wrote, and the report of a test. Out: a commit on the
hub, which ``hf://USER/REPO`` takes back. Open ``hub_repository`` first. ``hub_token`` finds the
user's token, ``hub_errors`` turns the hub's errors into one line. ``hub_card`` writes the card,
from ``card_figures``, ``card_usage`` and ``markdown_text``. Downloads are in ``wrn.download``.
"""
