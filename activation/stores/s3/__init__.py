"""S3 buckets, Amazon's or those of services that speak S3's protocol.

In: an `s3://` url and a connection.
Out: the kind's declaration; a store over boto3.
"""
