"""The fast path for processors with AMX: compiled kernels (`kernels.cpp`) and the executor that runs a model with them.

Where they are not built or the processor can't run them, everything is done by PyTorch.
"""
