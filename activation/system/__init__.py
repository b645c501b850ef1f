"""This machine: files on disk, the memory budget, signals, threads.

In: paths and limits.
Out: files with the right mode that survive a power cut; the wish to stop; bytes that a command may keep in memory.
"""
