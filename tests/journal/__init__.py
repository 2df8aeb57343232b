"""The journal: its rules, who holds a run, and PostgreSQL."""
