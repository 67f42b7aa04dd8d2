"""One thread for the matrix kernels: on few cores, two that wait for each other are slower than one."""

import torch

torch.set_num_threads(1)
