"""The one loop that trains every network of outcomes, and what it needs."""
