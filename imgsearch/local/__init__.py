"""The launcher, `make run`: start Redis, the web server and workers of an installation."""
