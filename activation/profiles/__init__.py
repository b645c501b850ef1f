"""The profile snapshot of an instant, and the roster, which numbers its profiles for a command.

In: Parquet files, an instant, and rosters that earlier evaluations kept.
Out: a checked snapshot, identity digests, and a number for each profile that a command deals with.
"""
