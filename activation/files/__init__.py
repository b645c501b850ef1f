"""Rows to bytes: CSV, JSON and Parquet, encodings, parts, counted and hashed while they are written.

In: rows and a layout.
Out: finished files with rows, size and checksum.
"""
