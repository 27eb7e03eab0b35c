"""The pages. Each works without JavaScript; htmx asks for parts of them."""
