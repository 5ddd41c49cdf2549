"""What configuration of others may not do."""
