"""Amazon Kinesis data streams, or services that speak their protocol.

In: requests of records, each with the profile id that chooses its shard.
Out: what became of each record.
"""
