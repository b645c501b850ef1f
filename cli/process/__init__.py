"""The process around a command: streams, signals and deadlines, logs, progress.

In: the command line and the terminal.
Out: an exit code.
"""
