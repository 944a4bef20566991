"""Adapters: one technology a module. None imports another; what they share is in `shared/`."""
