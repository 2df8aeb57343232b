"""What a plan is: built from facts and findings, kept as a file, compared with what is there now. Pure."""
