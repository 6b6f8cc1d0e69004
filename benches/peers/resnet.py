"""ResNet-18 in PyTorch eager, 224 x 224, batch 8, one thread: CPU milliseconds. Run: python resnet.py"""
import statistics
import time

import torch
import torchvision

torch.set_num_threads(1)
network = torchvision.models.resnet18().eval()
images = torch.randn(8, 3, 224, 224)
taken = []
with torch.no_grad():
    network(images)
    for _ in range(15):
        start = time.process_time()
        network(images)
        taken.append(time.process_time() - start)
print(f"torch {torch.__version__}: forward {1e3 * statistics.median(taken):.1f} ms")
