"""What a network does to the shape of its input, layer by layer, before it is trained."""

from fashion_cnn.tracing.apart import check_apart
from fashion_cnn.tracing.network import check_batch_of_one, trace_network

__all__ = ["check_apart", "check_batch_of_one", "trace_network"]
