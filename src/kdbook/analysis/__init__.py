"""From stored predictions to intervals, tables, figures and sentences. Nothing here needs a model."""
