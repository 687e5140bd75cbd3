"""Which version users get: the label `stable`, moved through the server's own ModelService.

Nothing is remembered here: what is rolled out is what the server says.
"""
