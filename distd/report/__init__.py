"""Pages of figures: a verdict, key figures, tables, plots, as one HTML file."""
