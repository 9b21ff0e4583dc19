"""Steps of the gateway's tables."""
