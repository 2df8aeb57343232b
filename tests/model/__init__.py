"""The values, and what each error code means."""
