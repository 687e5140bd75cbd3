"""The AtomicPusher component: copies a blessed model to the serving folder in one atomic step."""
