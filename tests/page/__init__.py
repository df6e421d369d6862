"""The client's page; deleted with it."""
