"""The profile snapshot: its ids, identity maps, and the roster that numbers its profiles.

In: Parquet files and an instant.
Out: a checked snapshot, and a number for each profile.
"""
