"""Writing token by token: greedy, sampling and beam search over one `step(ids, state)`."""
