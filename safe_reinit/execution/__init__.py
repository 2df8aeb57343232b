"""Carrying a plan out: the driver of the core, its calls to ECS, and the journal behind it."""
