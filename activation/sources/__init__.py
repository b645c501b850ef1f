"""The sources of profiles read and cleaned: records and events of a company's systems (P1, P2).

In: the sources of a workspace, an instant, Parquet files.
Out: identities of each record, fragments, and what was left out and why.
"""
