"""Correlations by scipy and statsmodels, on generated values: writes correlation.json and partial.json beside this file. Needs
numpy, scipy and statsmodels."""

import json
import pathlib

import numpy as np
from scipy import stats

rng = np.random.default_rng(7)
cases = []


def add(name, x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    pearson, spearman = stats.pearsonr(x, y), stats.spearmanr(x, y)
    interval = pearson.confidence_interval(0.95)
    reach = stats.norm.ppf(0.975) * np.sqrt((1 + spearman.statistic**2 / 2) / (len(x) - 3))
    low, high = np.tanh(np.arctanh(spearman.statistic) + [-reach, reach])
    cases.append({
        "name": name, "x": x.tolist(), "y": y.tolist(),
        "pearson": [pearson.statistic, interval.low, interval.high, pearson.pvalue],
        "spearman": [spearman.statistic, low, high, spearman.pvalue],
    })


x = rng.normal(size=40)
add("unrelated", x, rng.normal(size=40))
add("strong", x, 2 * x + 0.3 * rng.normal(size=40))
add("falling", x, -np.exp(x) + 0.2 * rng.normal(size=40))
add("ties", rng.integers(0, 4, 30), rng.integers(0, 3, 30))
add("four", [1, 2, 3, 4], [1, 3, 2, 5])
x = rng.uniform(size=400)
add("certain", x, x + 0.05 * rng.normal(size=400))
path = pathlib.Path(__file__).with_name("correlation.json")
path.write_text(json.dumps(cases) + "\n")

# Partial correlations: Pearson's of the residuals of statsmodels' least squares.
import statsmodels.api as sm  # noqa: E402

partial = []


def add_partial(name, x, y, *controls):
    x, y = np.asarray(x, float), np.asarray(y, float)
    design = sm.add_constant(np.column_stack(controls).astype(float))
    left = [sm.OLS(v, design).fit().resid for v in (x, y)]
    partial.append({
        "name": name, "x": x.tolist(), "y": y.tolist(), "controls": [np.asarray(c, float).tolist() for c in controls],
        "r": stats.pearsonr(*left).statistic,
    })


z, w = rng.normal(size=60), rng.normal(size=60)
add_partial("one control", z + rng.normal(size=60), z - rng.normal(size=60), z)
add_partial("two controls", z + w + rng.normal(size=60), z - w + rng.normal(size=60), z, w)
add_partial("two controls that go together", z + rng.normal(size=60), w + rng.normal(size=60), z, z + 0.01 * w)
count = rng.integers(100, 5000, 200)
add_partial("nearly all of x", count / 1e4 + 0.002 * rng.normal(size=200), 0.7 - count / 1e5 + 0.02 * rng.normal(size=200), count)
add_partial("far from 0", 1e6 + z, 1e6 + z + w, 1e6 + 3 * w)
add_partial("five values", [1, 2, 4, 3, 6], [2, 1, 4, 3, 6], [1, 1, 2, 2, 3])
path = pathlib.Path(__file__).with_name("partial.json")
path.write_text(json.dumps(partial) + "\n")
