"""The SQL of a workspace, bound to columns: audiences' rules, event measures, references, expressions of columns.

In: audiences and activations of the config.
Out: checked rules, and the Polars expressions that compute them.
"""
