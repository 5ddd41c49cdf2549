"""Trading: rules of what is traded when a decision is due.

1. `bands` leave alone what has drifted no further from its target than a band.
"""
