"""Merged views: profiles made of fragments by a merge policy, with ids that stay, built once and kept (P7, P8, P10).

In: graphs, fragments, merge policies, the ids of earlier builds.
Out: a Parquet view with profile_id, identity_map and merged columns; where each identity leads; aliases and splits.
"""
