"""The identity graph: which identities belong to one person, at one instant (P3 to P6).

In: the identities of each record, with their times and namespaces; limits.
Out: the graph of each identity, the identities of each graph, refused links, shared identities.
"""
