"""Azure Storage.

In: an `az://` url and a connection.
Out: a store over azure-storage-blob.
"""
