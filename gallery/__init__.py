"""The scene search engine. Imports run downwards only; docs/architecture.md lists the packages."""
