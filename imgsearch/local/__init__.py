"""What `make run` does: start Redis, the web server and the worker of one installation."""
