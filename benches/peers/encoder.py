"""A BERT of MiniLM's size in PyTorch, random weights, sentences of the lengths of `cargo bench -p compexp-text --bench encoder`, in
padded batches (sorted by length, which suits it best). Run: python encoder.py [THREADS]"""
import sys
import time

import torch
import transformers

threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
torch.set_num_threads(threads)
torch.manual_seed(0)
config = transformers.BertConfig(
    vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
model = transformers.BertModel(config, add_pooling_layer=False).eval()
# As ours: the processor's time on one thread, the time that passed on several.
clock = time.process_time if threads == 1 else time.perf_counter
lengths = [17, 5, 28, 12, 40, 8, 18, 22, 14, 33, 10, 20, 16, 25] * 36


def run(lengths, size):
    for first in range(0, len(lengths), size):
        part = lengths[first:first + size]
        mask = torch.zeros(len(part), max(part), dtype=torch.long)
        for row, n in zip(mask, part):
            row[:n] = 1
        ids = torch.randint(1, 30522, mask.shape) * mask
        model(input_ids=ids, attention_mask=mask if min(part) < max(part) else None)


with torch.inference_mode():
    for name, order, size in [("one at a time", lengths, 1), ("batches of 32", lengths, 32), ("sorted, batches of 36", sorted(lengths), 36)]:
        best = float("inf")
        for _ in range(5):
            start = clock()
            run(order, size)
            best = min(best, clock() - start)
        print(f"torch {torch.__version__}, {threads} threads, {name}: {len(lengths) / best:.1f} sentences/s")
