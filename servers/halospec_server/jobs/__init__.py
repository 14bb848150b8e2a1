"""From a request to its text: the decode thread, its queue, and the account of what each text cost."""
