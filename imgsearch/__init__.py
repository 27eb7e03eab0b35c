"""The project: settings, addresses, the Celery application, and the launcher of `make run`."""
