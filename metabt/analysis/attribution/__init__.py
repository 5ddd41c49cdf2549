"""Attribution: where a return came from, item by item and level by level, with sums that close."""
