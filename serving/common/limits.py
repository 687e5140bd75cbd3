"""Limits of the protocols, for server and clients."""

# Of a model: an int64 that is not negative.
MAX_VERSION = (1 << 63) - 1
# gRPC counts the bytes of a message in 32 bits.
MAX_MESSAGE_BYTES = (1 << 31) - 1
# Sockets count milliseconds in 32 bits.
MAX_SECONDS = 1e6
