"""What the simulated cloud is and the rules by which it changes; nothing here knows HTTP."""
