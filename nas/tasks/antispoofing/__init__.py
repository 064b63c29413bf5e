"""Face anti-spoofing: live faces and attacks, seen by several registered sensors."""
