"""Search: the query and its address, planning, ranking, and the relevance curve of a film."""
