"""Import films: from the upload until they are searchable, and maintenance of the library."""
