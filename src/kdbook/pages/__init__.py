"""What a page shows of the numbers: tables, figures, sentences, and where they come from."""
