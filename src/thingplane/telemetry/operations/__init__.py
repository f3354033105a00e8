"""Operations of the cloud API that read what devices reported (guide: use of thing models)."""
