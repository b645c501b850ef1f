"""Profile changes: what is to be told of each profile, against what a receiver was told last (V2, V3, V4).

In: members of the mapped audiences, profile values, delivered rows.
Out: the people to send, with triggers and counts,
and the delivered rows that answers leave.
"""
