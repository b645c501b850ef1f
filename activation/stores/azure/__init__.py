"""Azure Storage.

In: an `az://` url and a connection.
Out: the kind's declaration; a store over azure-storage-blob.
"""
