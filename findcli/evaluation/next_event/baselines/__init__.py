"""What predicts the next event without PANTHER: one module a family, listed in registry.py."""
