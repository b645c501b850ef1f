"""What muster remembers: the ledger, and the Parquet files that it names, in one folder under one lock.

In: runs, evaluations and frames to keep.
Out: runs, evaluations and frames as they were committed.
"""
