"""Attribution: where a return came from, item by item and level by level, with sums that close.

1. `contributions` says what every child and asset contributed, `brinson` why a tree did better or worse than another
   one of the same sleeves (`effects` is one level of it); `accrual` follows contributions through time.
2. `linking` has the factors that make amounts of single sessions add up, `periods` cuts a view by calendar,
   `look_through` adds up what assets earned beneath a sleeve, `labels` says what a row is of.
"""
