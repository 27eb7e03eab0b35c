"""Transcripts: subtitles, their lines, and full-text search in them."""
