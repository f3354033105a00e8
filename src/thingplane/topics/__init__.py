"""Topic categories: which custom topics the devices of a product may publish and subscribe to."""
