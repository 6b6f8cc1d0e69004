"""Explain the neurons of a transformer on words: an example is a token, a concept is a word, a part of one, or a place.

    python examples/transformer_tokens.py sentences.txt bert-base-uncased 6
    compexp explain --probe tokens --activations layer6.npy --quantile 0.02 --metric mcc --out runs/bert
    compexp show runs/bert

Arguments: sentences, one per line; a model of the `transformers` library, or its folder; the number of a layer, from 0.
The units are the neurons within the layer's feed-forward network, where BERT and its relatives have them.
"""

import csv
import json
import os
import sys
from collections import Counter

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

path, name, layer = sys.argv[1], sys.argv[2], int(sys.argv[3])
tokenizer, model = AutoTokenizer.from_pretrained(name), AutoModel.from_pretrained(name).eval()
seen, rows, texts = [], [], []
model.encoder.layer[layer].intermediate.register_forward_hook(lambda part, inputs, output: seen.append(output[0, 1:-1].numpy()))

with open(path) as file:
    sentences = [line.strip() for line in file if line.strip()]
for number, sentence in enumerate(sentences):
    batch = tokenizer(sentence, return_tensors="pt", truncation=True)
    with torch.no_grad():
        model(**batch)
    tokens = tokenizer.convert_ids_to_tokens(batch["input_ids"][0])[1:-1]  # without [CLS] and [SEP]
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else ""
        kinds = {"first": at == 0, "last": at == len(tokens) - 1, "within a word": token.startswith("##")}
        kinds |= {"number": token.isnumeric(), "punctuation": not any(c.isalnum() for c in token)}
        rows.append({f"word:{token}", f"after:{before}"} - {"after:"} | {kind for kind, holds in kinds.items() if holds})
        marked = " ".join(tokens[:at] + [f"[{token}]"] + tokens[at + 1 :])
        texts.append([f"{number}:{at}", marked, number])

counts = Counter(concept for row in rows for concept in row)
concepts = [concept for concept, count in counts.most_common(2000) if count >= 5]
column = {concept: number for number, concept in enumerate(concepts)}
features = np.zeros((len(rows), len(concepts)), bool)
for at, row in enumerate(rows):
    features[at, [column[concept] for concept in row if concept in column]] = True

os.makedirs("tokens", exist_ok=True)
np.save(f"layer{layer}.npy", np.concatenate(seen))  # (tokens, neurons)
np.save("tokens/features.npy", features)
with open("tokens/probe.json", "w") as file:
    json.dump({"version": 1, "concepts": [{"id": i, "name": c} for i, c in enumerate(concepts)]}, file)
with open("tokens/examples.csv", "w", newline="") as file:
    csv.writer(file).writerows([["name", "text", "group"]] + texts)
