"""Where consumers of a consumer group connect: AMQP 1.0 and STOMP over TLS, each connection a member of its group."""
