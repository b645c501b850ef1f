"""Rows to the bytes of a run's files: CSV, JSON and Parquet, counted and hashed while they are written.

In: rows of a comparison, and a layout bound to the snapshot's values.
Out: staged files with rows, size and checksum.

    parts                 the files of one export: how rows split, what is written, checked and encrypted
    formats               a frame as a lazy sink of CSV, JSON lines or Parquet
    csv_text, csv_rows    CSV fields as text; whole rows as text, with shared columns formatted once
    encodings             UTF-8 to other encodings and back, compression
    zip_archive           a zip archive of one file, as a stream
    odd_values            values that many readers cannot take, counted for warnings
    tally                 a file that hashes and counts what is written to it
"""
