"""A distilled student outside AutoMM: as ONNX, in the browser, on the rows of a file."""
