"""The whole journey, headless: what `make demo` runs."""
