"""The client: calls the backend and serves people and programs."""
