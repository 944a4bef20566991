"""Brokers that wake workers, for hosts that outgrow a machine: Procrastinate on PostgreSQL, and Celery.

Each is a module of its own that imports its library; nothing here is loaded before a host asks for it by name.
`duties` is what a woken worker does, whoever woke it. See docs/carriers.md.
"""
