"""The bundled speculative server: an OpenAI-compatible endpoint whose every draft-and-verify round can be seen."""
