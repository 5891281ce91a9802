"""A study: the runs of a profile, what decides them, and where they stand."""
