"""Correlations by scipy, on generated values: writes correlation.json beside this file. Needs numpy and scipy."""

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
