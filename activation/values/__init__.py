"""One value: its type, its text, its JSON, and what a transform makes of it.

In: Polars types and expressions.
Out: Polars expressions; no plan is run.
"""
