"""Convolution arithmetic, receptive fields and the shapes of a described network."""

from fashion_cnn.core.shapes.arithmetic import (
    ShapeError,
    conv_output,
    conv_padding,
    pool_output,
    transposed_conv_output,
    transposed_conv_padding,
)
from fashion_cnn.core.shapes.layers import (
    Activation,
    Conv,
    Dropout,
    Flatten,
    Input,
    Layer,
    Linear,
    Pool,
    TransposedConv,
)
from fashion_cnn.core.shapes.receptive_field import ReceptiveField
from fashion_cnn.core.shapes.tracing import TracedLayer, trace

__all__ = [
    "Activation",
    "Conv",
    "Dropout",
    "Flatten",
    "Input",
    "Layer",
    "Linear",
    "Pool",
    "ReceptiveField",
    "ShapeError",
    "TracedLayer",
    "TransposedConv",
    "conv_output",
    "conv_padding",
    "pool_output",
    "trace",
    "transposed_conv_output",
    "transposed_conv_padding",
]
