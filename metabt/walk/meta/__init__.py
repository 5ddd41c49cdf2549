"""What a meta sleeve does beyond what a leaf does: aggregate its children's streams and flatten its book."""
