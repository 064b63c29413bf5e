"""Networks that are not searched: encoders, the plain decoder, teachers."""
