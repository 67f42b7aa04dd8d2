"""Measures a bundle on a data set's split: predictions, metrics with signatures, baselines beside them."""
