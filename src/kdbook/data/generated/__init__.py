"""Generated sentences: the corpus of the book, and made-up reviews."""
