"""The tests of safe_reinit."""
