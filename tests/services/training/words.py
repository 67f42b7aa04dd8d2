"""Words of which small data sets are made."""

WORDS = ("heron", "boat", "train", "baker", "painter", "kite", "ferry", "umbrella", "clock", "lantern", "quarry")
