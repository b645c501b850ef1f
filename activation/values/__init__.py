"""One value: its type, its text, its JSON, the transforms of a mapping.

In: Polars types and expressions.
Out: Polars expressions; no plan is run.
"""
