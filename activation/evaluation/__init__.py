"""Segment evaluation: who is in each audience at an instant.

In: a snapshot, events, a feed, the memberships of before.
Out: new memberships, recorded in the ledger.
"""
