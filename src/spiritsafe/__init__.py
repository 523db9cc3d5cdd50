"""spiritsafe: find, explain and prove adversarial distillation campaigns in your own request logs.

The path is `events -> sketch -> signals -> links -> campaigns`; `pipeline.find_campaigns` is that path as
one function and the place to start reading. Importing this package loads nothing heavy.
"""

__version__ = "0.1.0"
