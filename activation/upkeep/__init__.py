"""The state's care: check, repair, back up, restore, prune.

In: a state folder, whatever its condition.
Out: findings and repairs; a state that later commands can trust.
"""
