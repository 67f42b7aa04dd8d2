"""Text generation: going on from a prompt."""
