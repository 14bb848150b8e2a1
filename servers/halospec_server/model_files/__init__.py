"""Which files a server loads: embedded, by name from a hub, or given; and what they will need."""
