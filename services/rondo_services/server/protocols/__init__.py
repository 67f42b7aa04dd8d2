"""The protocols of existing clients, each in its own words over the same services."""
