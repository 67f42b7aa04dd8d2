"""From a recipe (TOML) and text data to a trained bundle."""
