"""Dumb baselines: a recurrent model that loses to one of them is a defect."""
