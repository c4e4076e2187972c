"""Query-aware scoring: a small network reads how often and how recently a user did what a sentence asks for."""
