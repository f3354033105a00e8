"""Platform instances: worlds of their own for products and devices, addressed by IotInstanceId."""
