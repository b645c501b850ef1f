"""Measure muster: workspaces of any size, workloads, peers."""
