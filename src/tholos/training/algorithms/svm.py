"""Support vector machines with four kernels."""

from __future__ import annotations

from typing import Any

from tholos.training.algorithm import Algorithm, Parameter, Params, Shape


def _build(params: Params, shape: Shape, _seed: int) -> Any:
    from sklearn.svm import SVC, SVR

    kernel: dict[str, Any] = {
        "kernel": params["kernel"],
        "C": float(params["C"]),
        "degree": int(params["degree"]),
        "gamma": float(params["gamma"]) or "scale",
        "coef0": float(params["coef0"]),
        "max_iter": int(params["max_iterations"]) or -1,
    }
    if shape.regression:
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.preprocessing import StandardScaler

        # The penalty and the width of the tube are meant for a target of unit variance.
        return TransformedTargetRegressor(
            regressor=SVR(epsilon=float(params["epsilon"]), **kernel), transformer=StandardScaler()
        )
    from sklearn.calibration import CalibratedClassifierCV

    machine = SVC(class_weight="balanced" if params["balanced"] else None, **kernel)
    folds = max(2, min(5, shape.smallest_class))
    return CalibratedClassifierCV(machine, method="sigmoid", cv=folds, ensemble=False)


ALGORITHMS = (
    Algorithm(
        name="svm",
        title="Support vector machine",
        summary="The widest margin between classes, straight or in the space of a kernel; strong on small data.",
        tasks=("tabular-classification", "tabular-regression", "image-classification"),
        parameters=(
            Parameter(
                name="kernel",
                type="choice",
                default="rbf",
                choices=("linear", "poly", "rbf", "sigmoid"),
                doc="The similarity of two rows: linear x·y, poly (γ x·y + coef0)^degree, rbf exp(-γ|x-y|²), "
                "sigmoid tanh(γ x·y + coef0).",
            ),
            Parameter(
                name="C",
                type="float",
                default=1.0,
                minimum=1e-4,
                maximum=1e5,
                log=True,
                doc="Cost of a row on the wrong side of the margin: larger follows the training data more closely.",
            ),
            Parameter(
                name="gamma",
                type="float",
                default=0.0,
                minimum=0.0,
                maximum=1e4,
                doc="γ of the kernel; 0 chooses 1 / (columns * variance).",
            ),
            Parameter(
                name="degree", type="int", default=3, minimum=1, maximum=10, doc="Degree of the polynomial kernel."
            ),
            Parameter(
                name="coef0",
                type="float",
                default=0.0,
                minimum=-1e3,
                maximum=1e3,
                doc="Constant term of the poly and sigmoid kernels.",
            ),
            Parameter(
                name="epsilon",
                type="float",
                default=0.1,
                minimum=0.0,
                maximum=10.0,
                doc="Regression only: errors below this are free, in standard deviations of the target.",
            ),
            Parameter(
                name="balanced",
                type="bool",
                default=False,
                doc="Classification only: whether rare classes weigh as much as frequent ones.",
            ),
            Parameter(
                name="max_iterations",
                type="int",
                default=0,
                minimum=0,
                maximum=10_000_000,
                doc="Steps of the solver at most; 0 sets no limit.",
            ),
        ),
        citation="Cortes, Vapnik: Support-Vector Networks. Machine Learning 20, 1995; probabilities after Platt, 1999.",
        build=_build,
        scale=True,
        portfolio=({}, {"C": 10.0}, {"kernel": "poly", "C": 1.0, "coef0": 1.0}),
        rank=50,
        growth=2.0,
    ),
)
