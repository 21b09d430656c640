"""Metric math: text to a tree, a tree and series to series.

`parse(text)` gives an `Expression`; `expression.evaluate(scope)` its value: a number, a series, or a list of series. Source: CloudWatch user guide, "Using math
expressions with CloudWatch metrics", "Metric math syntax and functions".
"""

from groundcloud.services.cloudwatch.expressions.evaluation import Scope, evaluate
from groundcloud.services.cloudwatch.expressions.syntax import Expression, ExpressionError, parse
from groundcloud.services.cloudwatch.expressions.values import Series

__all__ = ["Expression", "ExpressionError", "Scope", "Series", "evaluate", "parse"]
