"""The pitfalls themselves: a class each, used as a name for three functions."""
