"""What several adapters need: X.509 building, key stores, PAdES, rendering."""
