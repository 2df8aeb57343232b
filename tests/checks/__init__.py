"""The tests of the checks: one file for each check, mostly of when it must stay silent."""
