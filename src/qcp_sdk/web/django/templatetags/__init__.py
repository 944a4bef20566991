"""`{% load qcp %}`."""
