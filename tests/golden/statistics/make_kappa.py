"""Cohen's kappa by scikit-learn, on generated sortings and on a published table: writes kappa.json beside this file. Needs numpy
and scikit-learn."""

import json
import pathlib
import warnings

import numpy as np
from sklearn.metrics import cohen_kappa_score

warnings.simplefilter("ignore")
rng = np.random.default_rng(3)
cases = []


def add(name, classes, first, second):
    kappa = float(cohen_kappa_score(first, second))
    pairs = [[int(a), int(b)] for a, b in zip(first, second)]
    cases.append({"name": name, "classes": classes, "pairs": pairs, "kappa": None if np.isnan(kappa) else kappa})


truth = rng.integers(0, 4, 80)
add("independent", 4, truth, rng.integers(0, 4, 80))
add("often alike", 4, truth, np.where(rng.uniform(size=80) < 0.7, truth, rng.integers(0, 4, 80)))
add("never alike", 4, truth, (truth + 1) % 4)
add("all alike", 4, truth, truth)
add("one class for the first", 4, np.zeros(20, int), rng.integers(0, 2, 20))
add("one class for both", 4, np.ones(9, int), np.ones(9, int))
add("skewed", 3, rng.choice(3, 200, p=[0.9, 0.05, 0.05]), rng.choice(3, 200, p=[0.8, 0.1, 0.1]))
# 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: 0.4 in every textbook.
add("a textbook's", 2, [0] * 25 + [1] * 25, [0] * 20 + [1] * 5 + [0] * 10 + [1] * 15)
path = pathlib.Path(__file__).with_name("kappa.json")
path.write_text(json.dumps(cases) + "\n")
for case in cases:
    print(case["name"], case["kappa"])
