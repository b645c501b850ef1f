"""The commands that look after the state: check, repair, back up, restore, prune.

In: a state folder, healthy or damaged.
Out: faults and repairs; a state that later commands can trust.
"""
