"""The simulator, judged from outside through the real SDK."""
