"""The outbox: requests written down before they are sent, the log of answers, and the way through them (V8, V10).

In: requests.
Out: what became of each entry: accepted, refused, uncertain, not sent.
"""
