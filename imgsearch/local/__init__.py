"""The launcher behind `make run`: starts Redis, the web server and the workers."""
