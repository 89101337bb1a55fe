"""Makes folders with ONNX models to try and to test with, in the layout of the public exports."""
