"""Translation between English and German, and English and Korean."""
