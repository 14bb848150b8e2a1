"""Whether a draft length has any effect on a server: canaries sent, counted, timed and judged."""
