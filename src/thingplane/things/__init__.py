"""Thing models: what a product's devices can report and be asked to do, as draft and as published versions."""
