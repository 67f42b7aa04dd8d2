"""Summarization: a long text in a few words."""
