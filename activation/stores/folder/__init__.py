"""Folders of this machine.

In: a path or `file://` url.
Out: the kind's declaration; a target that writes, links and renames files in the folder.
"""
