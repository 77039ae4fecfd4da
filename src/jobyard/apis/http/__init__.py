"""What every HTTP protocol shares: the application, errors, paging, operations."""
