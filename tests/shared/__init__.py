"""What tests share: the oracle, the replay, the leak detector, panels, trees, servers."""
