"""Query-aware scoring: how often and how recently a user did what a sentence asks for, read by a small network."""
