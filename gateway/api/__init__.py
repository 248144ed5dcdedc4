"""The same acts as JSON, under ``api/v1/``, with their OpenAPI document."""
