"""Risk: covariance estimates, contributions to risk, and the meta optimization that rests on them."""
