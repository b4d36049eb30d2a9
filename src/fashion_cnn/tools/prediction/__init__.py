"""Pictures of any kind -> a trained network's answers; the network as ONNX."""
