"""Numbers from stored predictions: scores, differences, their intervals. Nothing here needs a model."""
