"""What a plan is, and its file."""
