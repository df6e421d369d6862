"""Benchmarks: the pair beside its usual alternatives, and on Kubernetes."""
