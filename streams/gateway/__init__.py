"""The gateway: events over HTTP, for services in languages that have no emitter. docs/gateway.md is its manual."""
