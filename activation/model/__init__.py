"""The nouns of a workspace and of its history, frozen: workspaces, activations, exports, runs, file names.

In: values that a caller has read or decided.
Out: immutable objects. Nothing here reads a file or runs a Polars plan.
"""
