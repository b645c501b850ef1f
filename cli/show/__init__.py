"""Output for people: tables, messages, pages of help.

In: data that `muster.runs` returned.
Out: text on the terminal.
"""
