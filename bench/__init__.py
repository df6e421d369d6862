"""Measures the pair beside what its users would otherwise pick."""
