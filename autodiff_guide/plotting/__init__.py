"""Everything that draws: views of results computed elsewhere."""
