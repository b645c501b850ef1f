"""Google Cloud Storage.

In: a `gs://` url and a connection.
Out: a store over google-cloud-storage.
"""
