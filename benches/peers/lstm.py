"""A packed LSTM of 300 to 512 in PyTorch, batch 100, one thread: CPU milliseconds. Run: python lstm.py"""
import statistics
import time

import torch
from torch.nn.utils.rnn import pack_sequence

torch.set_num_threads(1)
torch.manual_seed(0)
lstm = torch.nn.LSTM(300, 512)
lengths = [1 + i * 37 % 28 for i in range(100)]
pack = pack_sequence([torch.randn(n, 300) for n in lengths], enforce_sorted=False)


def median(run, times=15):
    taken = []
    for _ in range(times):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return 1e3 * statistics.median(taken)


def forward():
    with torch.no_grad():
        lstm(pack)


def both():
    lstm.zero_grad()
    lstm(pack)[1][0].sum().backward()


forward()
print(f"torch {torch.__version__}: forward {median(forward):.1f} ms, with backward {median(both):.1f} ms, {sum(lengths)} steps")
