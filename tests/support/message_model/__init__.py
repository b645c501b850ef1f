"""A second opinion on what muster must tell, written from the contract V alone: dicts and loops, one small step a rule.

Nothing here knows how the tool works. A profile has a delivered row; after an answer that nobody can be sure of it has
several rows that it can be, and the next message shows which. Where the contract leaves a choice open, every choice is
taken for right, and the next messages must be those of that choice.
"""

from support.message_model.case import Case
from support.message_model.messenger import ACCEPTED, REFUSED, UNCERTAIN, UNSENT, Messenger
from support.message_model.words import Message, Row, Setup, Told

__all__ = ["ACCEPTED", "REFUSED", "UNCERTAIN", "UNSENT", "Case", "Message", "Messenger", "Row", "Setup", "Told"]
