"""Endpoints: the kinds of places that take messages, their limits, and the clients that send requests (V1, V10).

In: a destination of messages, and a request.
Out: its answer, and what the answer means. Each kind is a folder.
"""
