"""Readers that are not the writer: whether the delivered files hold what the ledger says.

In: delivered files and the ledger.
Out: what differs, named by file, row and person.
"""
