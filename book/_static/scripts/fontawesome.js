// The icons are in a font.
