"""Messages: the bodies and requests that tell of changed profiles (V5, V6, V7, V9).

In: the people to send, with their values.
Out: requests in their order, as parts that a body is joined from.
"""
