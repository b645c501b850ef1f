"""SFTP servers.

In: an `sftp://` url and a connection.
Out: the kind's declaration; a store over asyncssh.
"""
