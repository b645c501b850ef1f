"""From staged files to a committed run: files published, manifest written, baseline moved, each once.

In: a run with its staged files.
Out: a run that succeeded or failed, in the ledger.
"""
