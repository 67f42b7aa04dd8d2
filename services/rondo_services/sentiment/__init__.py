"""Sentiment: how a text feels about what it speaks of."""
