"""Places that files are kept in: their kinds, urls, clients, and what is tried again.

In: a url and a connection.
Out: an open store that puts, reads, lists and deletes, with errors that say whether trying again helps.
"""
