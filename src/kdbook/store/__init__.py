"""Finished runs, kept by the hash of what produced them: on disk, behind a URL, or in a file."""
