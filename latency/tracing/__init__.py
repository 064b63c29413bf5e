"""What a network computes, call by call, without computing it."""
