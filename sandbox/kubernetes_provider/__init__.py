"""The bundled Pulumi `kubernetes` plugin: server-side apply against the sandbox's real API server."""
