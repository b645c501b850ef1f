"""S3 and what speaks like it.

In: an `s3://` url and a connection.
Out: a store over boto3.
"""
