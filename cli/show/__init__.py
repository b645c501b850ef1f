"""What a person reads: tables, messages, pages of help.

In: data that `muster.runs` returned.
Out: text on the terminal.
"""
