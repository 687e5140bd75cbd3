"""The LanguageEvaluator component: bits per character, originality of generated text, and the blessing."""
