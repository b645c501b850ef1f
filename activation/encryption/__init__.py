"""OpenPGP: the keys, and the process that encrypts large files.

In: key files and clear text.
Out: encrypted text with its size and checksum.
"""
