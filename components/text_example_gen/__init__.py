"""The TextExampleGen component: reads tables and running text into examples and splits."""
