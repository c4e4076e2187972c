"""`--where`: parse and apply an expression over profile columns, or offer one that a demand's own words suggest."""
