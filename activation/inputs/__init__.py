"""Finding and opening Parquet, here and in buckets: profiles, events, membership feeds.

In: paths of the config.
Out: lazy frames and the record of the files that they read.
"""
