"""Joint training over id sequences: tasks, batches, schedule, the loop, checkpoints. Knows no text."""
