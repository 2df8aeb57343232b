"""The runner on Temporal, on a real server."""
