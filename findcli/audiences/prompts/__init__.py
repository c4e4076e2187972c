"""Few-shot prompts (FIND Eq 14): learned from seed users, stored in run folders, and used instead of a sentence."""
