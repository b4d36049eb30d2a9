"""Convolution arithmetic, receptive fields and the shapes of a described network."""

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
    Conv,
    Dropout,
    Flatten,
    Input,
    Layer,
    Linear,
    Pool,
    TransposedConv,
)
from fashion_cnn.shapes.receptive_field import ReceptiveField
from fashion_cnn.shapes.tracing import TracedLayer, trace

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
