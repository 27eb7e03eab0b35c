"""Backups of an installation: its database, and what the media store cannot make again."""
