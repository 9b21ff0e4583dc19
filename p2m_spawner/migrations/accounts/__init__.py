"""Steps of the table of accounts."""
