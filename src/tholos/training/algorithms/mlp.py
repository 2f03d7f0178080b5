"""Multi-layer perceptrons."""

from __future__ import annotations

from typing import Any

from tholos.training.algorithm import Algorithm, Parameter, Params, Shape


def _build(params: Params, shape: Shape, seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    options: dict[str, Any] = {
        "hidden_layer_sizes": (int(params["width"]),) * int(params["layers"]),
        "activation": params["activation"],
        "alpha": float(params["l2"]),
        "learning_rate_init": float(params["learning_rate"]),
        "batch_size": min(int(params["batch_size"]), shape.rows),
        "max_iter": int(params["epochs"]),
        "random_state": seed,
    }
    if not shape.regression:
        return MLPClassifier(**options)
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    # Weights start near zero: a target of thousands would take most of the epochs to reach.
    return TransformedTargetRegressor(regressor=MLPRegressor(**options), transformer=StandardScaler())


ALGORITHMS = (
    Algorithm(
        name="mlp",
        title="Multi-layer perceptron",
        summary="A small neural network of fully connected layers, trained with Adam.",
        tasks=("tabular-classification", "tabular-regression", "image-classification"),
        parameters=(
            Parameter(name="layers", type="int", default=1, minimum=1, maximum=5, doc="Hidden layers."),
            Parameter(
                name="width",
                type="int",
                default=100,
                minimum=1,
                maximum=2048,
                log=True,
                doc="Neurons in each hidden layer.",
            ),
            Parameter(
                name="activation",
                type="choice",
                default="relu",
                choices=("relu", "tanh", "logistic"),
                doc="The function that each hidden neuron applies to its weighted sum.",
            ),
            Parameter(
                name="l2",
                type="float",
                default=1e-4,
                minimum=0.0,
                maximum=1e3,
                doc="L2 penalty on the weights.",
            ),
            Parameter(
                name="learning_rate",
                type="float",
                default=1e-3,
                minimum=1e-6,
                maximum=1.0,
                log=True,
                doc="Adam's first step size.",
            ),
            Parameter(
                name="batch_size",
                type="int",
                default=200,
                minimum=1,
                maximum=65_536,
                log=True,
                doc="Rows per step (never more than there are).",
            ),
            Parameter(
                name="epochs",
                type="int",
                default=300,
                minimum=1,
                maximum=10_000,
                log=True,
                doc="Passes over the data at most; training ends earlier once the loss stops falling.",
            ),
        ),
        citation="Rumelhart, Hinton, Williams: Learning representations by back-propagating errors. Nature 323, 1986; "
        "Kingma, Ba: Adam. ICLR 2015.",
        build=_build,
        scale=True,
        portfolio=({}, {"layers": 2, "width": 128, "l2": 1e-3}),
        rank=60,
    ),
)
