"""Links for people who have no keys: what they may do, through which host, until when."""
