"""PANTHER's encoder: behaviour tokens, motifs and what comes next (arXiv 2510.10102)."""
