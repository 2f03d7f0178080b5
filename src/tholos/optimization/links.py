"""From scores to the probabilities of classes."""

from __future__ import annotations

from tholos.optimization.graph import Graph, Value


def logistic(graph: Graph, score: Value) -> Value:
    """The probabilities ``[rows, 2]`` of two classes from the score ``[rows, 1]`` of the second."""
    return both(graph, graph.op("Sigmoid", score))


def softmax(graph: Graph, scores: Value) -> Value:
    """The probabilities ``[rows, classes]`` of several classes from a score for each."""
    return graph.op("Softmax", scores, axis=1)


def both(graph: Graph, second: Value) -> Value:
    """The probabilities ``[rows, 2]`` of two classes from that of the second ``[rows, 1]``."""
    return graph.concat([graph.op("Sub", graph.constant(1.0), second), second])
