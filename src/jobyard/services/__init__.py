"""What users can do."""
