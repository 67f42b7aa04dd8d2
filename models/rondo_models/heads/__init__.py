"""What makes services differ: a classifier, a language model and an attentional decoder over one backbone."""
