"""The desired set against the delivered set: who is sent, who exits, who is left out and why.

In: memberships, a delivered set, a layout and the values of a snapshot.
Out: rows, exclusions with reasons, counts, and the next delivered set.
"""
