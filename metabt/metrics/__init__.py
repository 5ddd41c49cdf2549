"""What a return stream is summed up by."""
