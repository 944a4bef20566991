"""The journey in a browser, without a framework: a request in, a view out. Django and Flask are thin shells."""
