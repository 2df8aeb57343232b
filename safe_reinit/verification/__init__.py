"""Measuring what no document says of ECS, on a machine that nobody needs, and holding it against the assumptions."""
