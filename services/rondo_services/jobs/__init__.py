"""Batch jobs: a whole data set through a service, at batch priority, each line answered exactly once."""
