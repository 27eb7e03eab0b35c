"""The scene search engine. Imports run downwards only; README.md lists the rooms."""
