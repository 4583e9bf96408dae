"""What leads and admins tell the queue: their pages, and what these store."""
