"""Who may ask, and how much: keys, rates, quotas. Nothing here knows of HTTP, and no key is kept, only its hash."""
