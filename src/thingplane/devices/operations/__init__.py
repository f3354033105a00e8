"""Operations of the cloud API on devices, a module for each family (guide: device management)."""
