"""The ledger: one SQLite file that says what was evaluated, begun and delivered.

In: facts, each in a transaction.
Out: answers to queries, as the nouns of `model`.
"""
