"""Query-as-Anchor: a decoder reads a user, and a question that stands last is answered for that user."""
