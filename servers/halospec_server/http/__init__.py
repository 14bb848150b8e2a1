"""OpenAI's interface over the engine: requests in, replies and streams out, limits, metrics, logs."""
