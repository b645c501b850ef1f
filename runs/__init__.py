"""The library: what a program, a notebook or a scheduler calls, and what `muster.cli` calls.

In: a workspace and an instant.
Out: frozen data that says what was done; errors of `muster.activation.errors`.
"""
