"""The services over the backbone: data sets, training recipes, engine, server, evaluation, command line."""
