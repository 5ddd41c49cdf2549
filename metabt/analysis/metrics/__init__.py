"""What a return stream is summed up by: one file a theme, all of them called by `performance`."""
