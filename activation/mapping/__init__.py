"""An activation's mapping bound to a profile snapshot: which values each row of a file holds.

In: an activation's columns, a snapshot's schema, and the snapshot's values.
Out: a layout, which makes a file's columns of rows; profile values by roster row; transforms and types last sent.
"""
