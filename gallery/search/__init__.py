"""Searching: a query and its address, its hits, and a film at a glance."""
