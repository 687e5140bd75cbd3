"""The Vocabulary component: counts tokens and selects those that get an id."""
