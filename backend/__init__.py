"""The backend: computes the answer."""
