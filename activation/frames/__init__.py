"""Columns that cross packages, hashed ids, frames on the disk, and the engine: the one place that runs Polars plans.

In: lazy frames.
Out: eager frames and written files; Polars errors as muster's errors.
"""
