"""How well the next event is predicted, beside baselines of counts, co-occurrence, factors and trees."""
