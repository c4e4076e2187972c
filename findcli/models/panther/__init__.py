"""PANTHER as a user tower, above FIND's, whose alignment trains it."""
