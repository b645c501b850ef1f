"""A recorded run's files, made again byte for byte, and put back where they were lost.

In: a run and what the ledger recorded of it.
Out: the same files.
"""
