"""One model name for each draft length, all loaded at once, so that a request's ``model`` chooses k."""
