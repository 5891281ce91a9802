"""Generated sentences: the corpus of the book."""
