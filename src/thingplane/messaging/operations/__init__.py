"""Operations of the cloud API that talk to devices (guide: use of thing models, communications)."""
