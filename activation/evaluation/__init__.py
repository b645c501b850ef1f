"""Segment evaluation: who is in each audience at an instant.

In: opened profiles, events and feed, and the memberships of earlier evaluations.
Out: new memberships, one file an audience, recorded in the ledger in one transaction.
"""
