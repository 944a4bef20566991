"""Subscribe to a qualified certificate (QCP-n) and sign at niveau 3, from your own platform."""
