"""What can be read off the machine."""
