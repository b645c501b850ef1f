"""Sending: one run of an activation that sends messages, from its inputs to the record in the ledger (V1 to V11).

In: the decision to send.
Out: the run, and the delivered rows.
"""
