"""The JSON API and its OpenAPI description: what features share."""
