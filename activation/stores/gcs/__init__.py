"""Google Cloud Storage.

In: a `gs://` url and a connection.
Out: the kind's declaration; a store over google-cloud-storage.
"""
