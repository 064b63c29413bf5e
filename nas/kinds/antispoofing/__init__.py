"""Face anti-spoofing: whether a face is live, seen by one or several sensors."""
