"""A small language model to try the logic out with, as a process of its own."""
