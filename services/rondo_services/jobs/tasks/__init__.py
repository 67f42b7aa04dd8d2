"""How each service answers the items of a job."""
