"""The API: what the pages can do, as JSON, with an OpenAPI description."""
