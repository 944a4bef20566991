"""The journey in a Django project: an application with pages, a store on the ORM, checks, commands and a read-only admin."""
