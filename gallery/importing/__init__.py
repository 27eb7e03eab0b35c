"""The way of a film from upload to searchable, and what is tidied up around it."""
