"""The LinearBaseline component: the accuracy of a linear model on the same examples."""
