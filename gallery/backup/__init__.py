"""Backups of an installation: the database, and the irreplaceable files of the media store."""
