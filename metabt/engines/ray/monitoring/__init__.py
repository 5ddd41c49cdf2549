"""Monitoring: what a run on Ray tells whoever operates the cluster.

`metrics` are its numbers, which every node of the cluster exports for Prometheus.
"""
