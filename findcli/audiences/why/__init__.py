"""Why a user is in an audience, and what sets an audience apart: what the scores rest on, in words of history."""
