"""SQL text to a checked Polars expression, without knowledge of workspaces.

In: the text of an expression and the types of the columns that it may use.
Out: a Polars expression, or an error that names the line, the word and near names.
"""
