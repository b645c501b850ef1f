"""Kinds of destinations, one folder each: declaration, urls, errors and client; and what is tried again.

In: a url and a connection.
Out: the kind's declaration; a store that puts, reads, lists and deletes files, with errors that say if retrying helps.
"""
