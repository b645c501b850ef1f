"""The state folder of a workspace: the ledger, the Parquet files to which it refers, and one lock for both.

In: runs, evaluations and frames to keep.
Out: runs, evaluations and frames as they were committed.
"""
