"""Batch jobs over HTTP: what the native routes and OpenAI's share, and the worker that a server has in its process."""
