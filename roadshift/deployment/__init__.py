"""Networks in the formats of other runtimes, and what they are worth there."""
