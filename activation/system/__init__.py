"""This machine: files on disk, the memory budget, signals, threads.

In: paths and limits.
Out: files that exist with the right mode and survive a power cut; interrupts that are heard.
"""
