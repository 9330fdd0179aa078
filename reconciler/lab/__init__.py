"""Meshes of network namespaces, to try things in: real babeld and the real daemon in each node."""
