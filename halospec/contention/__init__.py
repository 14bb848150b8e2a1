"""What else the machine is made to do while a server decodes, and what that load was measured to be."""
