"""From a csv or tsv file to examples in splits."""
