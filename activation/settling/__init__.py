"""Settling: the delivered rows and the counts of a run of messages, made of files alone, also after a kill (V2, V10).

In: rows before, people to send, entries with their outcomes.
Out: rows after, counts, who was left out.
"""
