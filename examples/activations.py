"""Bring your own activations: a probe directory and a layer from numpy, then `compexp explain`.

    python examples/activations.py
    compexp explain --probe probe --activations activations.npy --quantile 0.1 --out runs/own
    compexp show runs/own
"""

import json
import os

import numpy as np

rng = np.random.default_rng(0)
concept_ids = rng.integers(0, 3, (50, 1, 16, 16))  # (images, layers, height, width); 0 = none
layer_output = rng.normal(size=(50, 4, 16, 16))  # (images, units, height, width), of any model
layer_output[:, 0] += 3 * (concept_ids[:, 0] == 1)  # unit 0 looks for water

os.makedirs("probe", exist_ok=True)
np.save("probe/layers.npy", concept_ids.astype("u2"))
concepts = [{"id": 1, "name": "water", "category": "object"}, {"id": 2, "name": "boat", "category": "object"}]
with open("probe/probe.json", "w") as file:
    json.dump({"version": 1, "concepts": concepts}, file)
np.save("activations.npy", layer_output.astype("f4"))
