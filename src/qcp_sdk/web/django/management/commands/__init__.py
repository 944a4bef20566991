"""`manage.py qcp_…`."""
