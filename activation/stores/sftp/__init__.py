"""SFTP servers.

In: an `sftp://` url and a connection.
Out: a store over asyncssh.
"""
