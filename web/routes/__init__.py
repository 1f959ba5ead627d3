"""One file a resource; `web.routes.all` lists every operation."""
