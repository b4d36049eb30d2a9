"""Convolution arithmetic, receptive fields, and a whole network's shapes in one call."""

from fashion_cnn.shapes.arithmetic import (
    ShapeError,
    conv_output,
    conv_padding,
    pool_output,
    transposed_conv_output,
    transposed_conv_padding,
)
from fashion_cnn.shapes.layers import (
    Activation,
    AdaptivePool,
    Conv,
    Dropout,
    Flatten,
    Input,
    Layer,
    Linear,
    Pad,
    Pool,
    TransposedConv,
)
from fashion_cnn.shapes.receptive_field import ReceptiveField, receptive_fields
from fashion_cnn.shapes.recording import TracedLayer
from fashion_cnn.shapes.tracing import trace

__all__ = [
    "Activation",
    "AdaptivePool",
    "Conv",
    "Dropout",
    "Flatten",
    "Input",
    "Layer",
    "Linear",
    "Pad",
    "Pool",
    "ReceptiveField",
    "ShapeError",
    "TracedLayer",
    "TransposedConv",
    "conv_output",
    "conv_padding",
    "pool_output",
    "receptive_fields",
    "trace",
    "transposed_conv_output",
    "transposed_conv_padding",
]
