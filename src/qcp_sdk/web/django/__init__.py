"""The journey in a Django project: pages, a store on the ORM, checks, commands and a read-only admin."""
