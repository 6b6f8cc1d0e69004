"""Explain a layer of torchvision's ResNet-50, from photographs whose pixels have labels.

    python examples/pytorch_resnet50.py photos/ labels/ concepts.txt
    compexp explain --probe probe --activations layer4.npy --units-expected 2048 --out runs/resnet50
    compexp report runs/resnet50 --image-root photos

The labels of photos/a.jpg are the values of labels/a.png: 0 = none, k = line k of concepts.txt.
`--random` leaves out the download of the trained weights.
"""

import csv
import json
import os
import sys

import numpy as np
import torch
import torchvision
from PIL import Image

photos, labels, concepts = [argument for argument in sys.argv[1:] if argument != "--random"]
weights = torchvision.models.ResNet50_Weights.IMAGENET1K_V2
model = torchvision.models.resnet50(weights=None if "--random" in sys.argv else weights).eval()
maps, masks = [], []
model.layer4.register_forward_hook(lambda layer, inputs, output: maps.append(output.numpy()))

mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
names = sorted(os.listdir(photos))
for name in names:
    pixels = Image.open(os.path.join(photos, name)).convert("RGB").resize((224, 224), Image.BILINEAR)
    pixels = (np.asarray(pixels, "f4") / 255 - mean) / deviation
    with torch.no_grad():
        model(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    label = Image.open(os.path.join(labels, os.path.splitext(name)[0] + ".png"))
    label = np.asarray(label.resize((112, 112), Image.NEAREST), "u2")
    masks.append(label if label.ndim == 2 else label[..., 0])  # grey may be stored as red, green and blue

os.makedirs("probe", exist_ok=True)
np.save("layer4.npy", np.concatenate(maps))  # (photographs, 2048, 7, 7)
np.save("probe/layers.npy", np.stack(masks)[:, None])  # (photographs, 1, 112, 112)
with open(concepts) as file:
    listed = [{"id": number, "name": line.strip()} for number, line in enumerate(file, 1)]
with open("probe/probe.json", "w") as file:
    json.dump({"version": 1, "concepts": listed}, file)
with open("probe/examples.csv", "w", newline="") as file:
    csv.writer(file).writerows([["image"]] + [[name] for name in names])
