"""A page on which the trained networks can be touched: what it holds, and its HTML."""
