"""Azure Event Hubs, over AMQP or websockets.

In: requests of events, each with the profile id that chooses its partition.
Out: what became of them.
"""
