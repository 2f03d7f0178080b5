"""Compile trained pipelines into ONNX graphs, and prove that they answer as their originals do."""
