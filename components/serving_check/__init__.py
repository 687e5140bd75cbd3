"""The ServingCheck component: compares served answers with those of the SavedModel before a push."""
