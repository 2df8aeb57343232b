"""How requests are read and verified, and how answers are written."""
