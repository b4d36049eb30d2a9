"""Picture files -> a trained network's predictions; a trained network -> ONNX."""
