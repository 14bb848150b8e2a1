"""What a run leaves behind: one record a request, a manifest, and the files they live in."""
