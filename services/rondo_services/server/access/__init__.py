"""Keys as HTTP has them: where a request carries its key, which paths need none, when the server may start without."""
