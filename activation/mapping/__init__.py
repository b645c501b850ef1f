"""The mapped columns of an activation, bound to a snapshot.

In: an activation's mapping and a snapshot's types.
Out: the layout of its rows, and the values last sent.
"""
