"""Destinations that are HTTP APIs: credentials, connections, and what their answers mean (V10, V12).

In: requests with their bodies.
Out: answers, with the entries that the receiver refused.
"""
