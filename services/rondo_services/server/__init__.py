"""The HTTP server: routes, errors to status codes, limits, metrics. How an answer is computed is not known here."""
